// Internal: does the master answer? For /healthz, which anybody may ask as often as he likes: the
// master is asked at most once at a time and not again while its last answer is fresh.
//
//   MasterProbe probe(loop, commander);
//   absl::Status alive = co_await probe.Ask();   // UNAVAILABLE: "the master did not answer within 1s"
//
// Belongs to the thread of `loop`. Coroutines that wait when it is destroyed are resumed with
// CANCELLED.
#ifndef SQUALL_CONTROL_STATUS_MASTER_PROBE_H_
#define SQUALL_CONTROL_STATUS_MASTER_PROBE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/control/pool_backend.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

class MasterProbe {
 public:
  // How long an answer speaks for the master.
  static constexpr absl::Duration kFresh = absl::Milliseconds(500);

  // Both outlive the probe.
  MasterProbe(IOLoop& loop, PoolCommander& commander) : loop_(loop), commander_(commander) {}
  MasterProbe(const MasterProbe&) = delete;
  MasterProbe& operator=(const MasterProbe&) = delete;
  ~MasterProbe();

  // OK when the master answered, whatever it said. Within the deadline of the link.
  Task<absl::Status> Ask();

 private:
  void Send();
  void OnAnswer(const absl::Status& status);

  IOLoop& loop_;
  PoolCommander& commander_;
  // Answers come in any thread, and perhaps after this object.
  std::shared_ptr<MasterProbe*> self_ = std::make_shared<MasterProbe*>(this);
  bool asked_ = false;  // and not answered yet
  MonotonicTime answered_at_;
  absl::Status answer_;
  Event answered_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_MASTER_PROBE_H_
