// One gRPC server for one caller's role, without a listener: connections are accepted and judged by
// us and handed over. So an EMFILE in accept is ours to survive, nobody can take the address, and
// each call's caller is known by the server it arrives at.
//
//   auto server = ControlServer::Start(core, {.uid = 0, .role = ROLE_ADMIN}).value();
//   server->Adopt(std::move(connection));
//
// Starts gRPC's threads: never in the master.
#ifndef SQUALL_CONTROL_CONTROL_SERVER_H_
#define SQUALL_CONTROL_CONTROL_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/control/control_core.h"

namespace squall::internal {

class ControlServer {
 public:
  // Serves ControlService, grpc.health.v1.Health and reflection. `core` must outlive the server.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(ControlCore& core, Caller caller);

  virtual ~ControlServer() = default;

  // Takes over a connected, non-blocking stream socket. Any thread.
  virtual void Adopt(UniqueFd connection) = 0;

  // What health says for "" and "squall.pool". Any thread.
  virtual void SetServing(bool serving) = 0;

  // Ends all calls: those still open after `patience` are cancelled. Blocks until then.
  virtual void Shutdown(absl::Duration patience) = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_SERVER_H_
