#include "squall/control/operation_wait_call.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "squall/control/error_details.h"
#include "squall/control/operation_to_proto.h"
#include "squall/control/pool_to_proto.h"

namespace squall::internal {

grpc::ServerUnaryReactor* OperationWaitCall::Start(ControlCore& core,
                                                   std::shared_ptr<CallerUse> use, uint64_t id,
                                                   absl::Duration timeout,
                                                   control::v1::WaitOperationResponse& response) {
  std::shared_ptr<OperationWaitCall> call(
      new OperationWaitCall(core, std::move(use), id, absl::Now() + timeout, response));
  call->self_ = call;
  core.hub.Subscribe(call);
  call->OnSnapshot(core.reader.Read());
  return call.get();
}

void OperationWaitCall::OnSnapshot(const PoolSnapshot&) {
  const std::optional<OperationView> operation = core_.reader.FindOperation(id_);
  if (operation.has_value() && !operation->ended() && absl::Now() < ends_) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    if (operation.has_value()) {
      // Read after the operation, for the one that was passed may be older than its end.
      const PoolSnapshot snapshot = core_.reader.Read();
      const Moment now = RightNow();
      *response_.mutable_operation() = OperationToProto(*operation, snapshot.instance_id, now);
      *response_.mutable_operation()->mutable_pool() = PoolToProto(snapshot, now);
    }
  }
  // The hub's reference must not outlive the call's: whoever calls this holds one of its own.
  core_.hub.Unsubscribe(this);
  if (operation.has_value()) return Finish(grpc::Status::OK);
  Finish(ControlError{.code = absl::StatusCode::kNotFound,
                      .reason = "NO_SUCH_OPERATION",
                      .message = "the operation is forgotten"}
             .ToGrpc());
}

void OperationWaitCall::OnCancel() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  core_.hub.Unsubscribe(this);
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, ""));
}

void OperationWaitCall::OnDone() {
  core_.EndWait(*use_);
  self_.reset();
}

}  // namespace squall::internal
