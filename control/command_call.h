// One call that asks the master for something and answers with what it said.
//
//   return CommandCall::Start(core, request, "the drain", [response](const CommandAnswer& answer) {
//     *response->mutable_operation() = answer.Operation();
//   });
#ifndef SQUALL_CONTROL_COMMAND_CALL_H_
#define SQUALL_CONTROL_COMMAND_CALL_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/control_core.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/control_link.h"

namespace squall::internal {

// What the master said to a request that it did not refuse.
struct CommandAnswer {
  const LinkReply& reply;
  const PoolSnapshot& snapshot;
  const LinkRequest& request;
  PoolReader& reader;

  // The operation that was begun, with the pool. Of a request that only asks whether it would be
  // accepted: VALIDATED.
  control::v1::Operation Operation() const;
};

class CommandCall final : public grpc::ServerUnaryReactor {
 public:
  // The reactor to return to gRPC. `what` is for errors. `fill` runs while the call's response is
  // valid, at most once.
  static grpc::ServerUnaryReactor* Start(ControlCore& core, const LinkRequest& request,
                                         std::string what,
                                         std::function<void(const CommandAnswer&)> fill);

 private:
  CommandCall(ControlCore& core, const LinkRequest& request, std::string what,
              std::function<void(const CommandAnswer&)> fill)
      : core_(core), request_(request), what_(std::move(what)), fill_(std::move(fill)) {}

  void OnCancel() override;
  void OnDone() override { self_.reset(); }

  void OnReply(const absl::StatusOr<LinkReply>& reply);

  ControlCore& core_;
  const LinkRequest request_;
  const std::string what_;
  const std::function<void(const CommandAnswer&)> fill_;

  std::mutex mutex_;
  bool finished_ = false;  // guarded by mutex_
  // gRPC's reference, dropped in OnDone; the pending command holds another.
  std::shared_ptr<CommandCall> self_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_COMMAND_CALL_H_
