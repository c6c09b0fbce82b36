// What the control process runs: one IOLoop that owns the listener and the link to the master, and
// gRPC's threads beside it.
#ifndef SQUALL_CONTROL_CONTROL_LOOP_H_
#define SQUALL_CONTROL_CONTROL_LOOP_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/caller_table.h"
#include "squall/control/control_core.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_tls.h"
#include "squall/control/link_client.h"
#include "squall/control/pool_backend.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/tls_door.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/sockets.h"

namespace squall::internal {

struct ControlLoopOptions {
  // Who may connect, and as what.
  ControlRoles roles = {};
  // Over TCP, too.
  std::optional<ControlTls> tls = {};
  ControlLimits limits = {};
  // How often the pool is read while anyone waits for it to change.
  absl::Duration tick = absl::Milliseconds(200);
  // The master is gone, or the link to it is of no use.
  std::function<void(const absl::Status&)> on_master_gone = nullptr;
};

// Belongs to the thread of `loop`, which must outlive it.
class ControlLoop {
 public:
  ControlLoop(IOLoop& loop, PoolReader& reader, UniqueFd link, ListenSocket listener,
              ControlLoopOptions options);
  ~ControlLoop();

  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  // Starts gRPC and accepting.
  absl::Status Start();

  // Stops accepting and ends all calls. Blocks for about `patience` at most.
  void Shutdown(absl::Duration patience);

  uint64_t refused_connections() const { return core_.refused_connections; }
  const ControlCore& core() const { return core_; }

 private:
  void OnConnection(UniqueFd connection);
  void Refuse(const std::string& why);
  void OnNotice();
  void StartTicking();
  void UpdateHealth();

  IOLoop& loop_;
  PoolReader& reader_;
  ListenSocket listener_;
  ControlLoopOptions options_;
  // Callbacks on the loop may run after this object.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  LinkClient link_;
  SnapshotHub hub_;
  ControlCore core_;
  CallerTable callers_{core_};
  std::optional<TlsDoor> tls_door_;
  AcceptHandle accepting_;
  Timeout tick_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_LOOP_H_
