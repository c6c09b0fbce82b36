#include "squall/control/command_call.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "squall/control/operation_to_proto.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/request_check.h"

namespace squall::internal {

namespace v1 = ::squall::control::v1;

v1::Operation CommandAnswer::Operation() const {
  v1::Operation operation;
  const auto view = reader.FindOperation(reply.operation);
  // Never older than the operation.
  const PoolSnapshot latest = reader.Read();
  const Moment now = RightNow();
  if (request.validate_only != 0) {
    operation.set_state(v1::OPERATION_STATE_VALIDATED);
    operation.set_generation(reply.generation);
    if (request.command == LinkCommand::kResize) operation.set_desired_workers(reply.desired);
  } else if (view.has_value()) {
    operation = OperationToProto(*view, latest.instance_id, now);
  } else {
    // A request that was sent again, and the operation is forgotten.
    operation.set_name(OperationName(latest.instance_id, reply.operation));
  }
  *operation.mutable_pool() = PoolToProto(latest, now);
  return operation;
}

grpc::ServerUnaryReactor* CommandCall::Start(ControlCore& core, const LinkRequest& request,
                                             std::string what,
                                             std::function<void(const CommandAnswer&)> fill) {
  std::shared_ptr<CommandCall> call(
      new CommandCall(core, request, std::move(what), std::move(fill)));
  call->self_ = call;
  core.commander.Send(request,
                      [call](const absl::StatusOr<LinkReply>& reply) { call->OnReply(reply); });
  // gRPC does not run OnDone before it has got the reactor.
  return call.get();
}

void CommandCall::OnReply(const absl::StatusOr<LinkReply>& reply) {
  grpc::Status status;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    if (!reply.ok()) {
      status = MasterUnreachable(std::string(reply.status().message()), what_,
                                 request_.validate_only != 0)
                   .ToGrpc();
    } else {
      const PoolSnapshot snapshot = core_.reader.Read();
      if (reply->code != 0) {
        status = FromRefusal(*reply, snapshot, request_).ToGrpc();
      } else {
        fill_(CommandAnswer{*reply, snapshot, request_, core_.reader});
      }
    }
  }
  Finish(status);
}

void CommandCall::OnCancel() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, ""));
}

}  // namespace squall::internal
