#include "squall/control/resize_call.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/control/error_details.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/resize_wait.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

ControlError InvalidField(std::string field, std::string message) {
  return {.code = absl::StatusCode::kInvalidArgument,
          .reason = "INVALID_FIELD",
          .message = std::move(message),
          .field = std::move(field)};
}

// What is wrong with the request by itself, without looking at the pool.
std::optional<ControlError> Check(const v1::ResizePoolRequest& request) {
  if (!request.has_desired_workers()) {
    return InvalidField("desired_workers", "desired_workers is not set");
  }
  if (request.desired_workers() < 0) {
    return InvalidField("desired_workers", absl::StrCat("desired_workers must not be negative: ",
                                                        request.desired_workers()));
  }
  if (!v1::WaitFor_IsValid(request.wait_for())) {
    return InvalidField("wait_for", absl::StrCat("wait_for has no value ", request.wait_for()));
  }
  if (request.request_id().size() > kMaxRequestId) {
    return InvalidField("request_id",
                        absl::StrCat("request_id has ", request.request_id().size(),
                                     " octets, at most ", kMaxRequestId, " are allowed"));
  }
  if (!std::all_of(request.request_id().begin(), request.request_id().end(), absl::ascii_isgraph)) {
    return InvalidField("request_id", "request_id must be printable ASCII without spaces");
  }
  if (!request.etag().empty() && !ParseEtag(request.etag()).has_value()) {
    return InvalidField("etag", "etag is not one that an answer gave");
  }
  return std::nullopt;
}

// The master's refusal in the API's words.
ControlError FromRefusal(const LinkReply& reply, const PoolSnapshot& snapshot,
                         const std::string& request_id) {
  ControlError error{.code = static_cast<absl::StatusCode>(reply.code),
                     .reason = "UNKNOWN",
                     .message = reply.message};
  const std::string etag = MakeEtag(snapshot.instance_id, reply.generation);
  switch (reply.reason) {
    case RefusalReason::kNone:
      break;
    case RefusalReason::kNegativeTarget:
      error.reason = "INVALID_FIELD";
      error.field = "desired_workers";
      break;
    case RefusalReason::kSlotCapacity:
      error.reason = "SLOT_CAPACITY";
      error.metadata = {{"max_workers", absl::StrCat(reply.max_workers)}};
      break;
    case RefusalReason::kStaleGeneration:
      error.reason = "STALE_ETAG";
      error.metadata = {{"etag", etag}, {"desired_workers", absl::StrCat(reply.desired)}};
      break;
    case RefusalReason::kRequestIdReused:
      error.reason = "REQUEST_ID_REUSED";
      error.metadata = {{"request_id", request_id}};
      break;
    case RefusalReason::kRequestIdTooLong:
      error.reason = "INVALID_FIELD";
      error.field = "request_id";
      break;
    case RefusalReason::kTooManyRequestIds:
      error.reason = "TOO_MANY_REQUEST_IDS";
      error.retry_after = absl::Minutes(1);
      break;
    case RefusalReason::kShuttingDown:
      error.reason = "SHUTTING_DOWN";
      break;
    case RefusalReason::kNotStarted:
      error.reason = "NOT_STARTED";
      break;
    case RefusalReason::kBadRestartOption:
      error.reason = "INVALID_FIELD";
      break;
  }
  if (error.message.empty()) error.message = absl::StrCat("the master refused: ", error.reason);
  return error;
}

}  // namespace

grpc::ServerUnaryReactor* ResizeCall::Start(ControlCore& core, const Caller& caller,
                                            const v1::ResizePoolRequest& request,
                                            v1::ResizePoolResponse& response) {
  std::shared_ptr<ResizeCall> call(new ResizeCall(core, request, response));
  call->self_ = call;
  call->Ask(caller);
  // gRPC does not run OnDone before it has got the reactor.
  return call.get();
}

ResizeCall::ResizeCall(ControlCore& core, const v1::ResizePoolRequest& request,
                       v1::ResizePoolResponse& response)
    : core_(core), request_(request), response_(response) {}

void ResizeCall::Ask(const Caller& caller) {
  if (const std::optional<ControlError> error = Check(request_)) {
    FinishOnce(error->ToGrpc());
    return;
  }
  ResizeCommand command{.desired_workers = request_.desired_workers(),
                        .request_id = request_.request_id(),
                        .validate_only = request_.validate_only(),
                        .actor_uid = caller.uid};
  if (!request_.etag().empty()) {
    const Etag etag = *ParseEtag(request_.etag());
    const PoolSnapshot snapshot = core_.reader.Read();
    if (etag.instance_id != snapshot.instance_id) {
      FinishOnce(ControlError{
          .code = absl::StatusCode::kAborted,
          .reason = "NEW_INSTANCE",
          .message = "the server was restarted since the etag was given; read again",
          .metadata = {{"etag", MakeEtag(snapshot.instance_id, snapshot.pool.generation)}}}
                     .ToGrpc());
      return;
    }
    // On the link 0 means "whatever it is", and no pool ever had it: ask for one that cannot be.
    command.expected_generation = etag.generation == 0 ? UINT64_MAX : etag.generation;
  }
  core_.commander.Resize(
      std::move(command),
      [call = self_](const absl::StatusOr<LinkReply>& reply) { call->OnReply(reply); });
}

void ResizeCall::OnReply(const absl::StatusOr<LinkReply>& reply) {
  if (!reply.ok()) {
    std::string message(reply.status().message());
    // The command may lie in the link, or an earlier one with the same request_id, and a stopped
    // master finds it there when it goes on.
    if (!request_.validate_only()) absl::StrAppend(&message, "; the resize may still take effect");
    FinishOnce(ControlError{.code = absl::StatusCode::kUnavailable,
                            .reason = "MASTER_UNREACHABLE",
                            .message = std::move(message),
                            .retry_after = absl::Milliseconds(200)}
                   .ToGrpc());
    return;
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  if (reply->code != 0) {
    FinishOnce(FromRefusal(*reply, snapshot, request_.request_id()).ToGrpc());
    return;
  }
  generation_ = reply->generation;
  if (request_.validate_only()) {
    FinishWithOperation(snapshot, v1::OPERATION_STATE_VALIDATED);
  } else if (request_.wait_for() == v1::WAIT_FOR_UNSPECIFIED ||
             request_.wait_for() == v1::WAIT_FOR_ACCEPTED) {
    const bool done = JudgeWait(snapshot, v1::WAIT_FOR_DRAINED, generation_,
                                request_.desired_workers()) == WaitVerdict::kReached;
    FinishWithOperation(snapshot, done ? v1::OPERATION_STATE_DONE : v1::OPERATION_STATE_RUNNING);
  } else {
    Wait();
  }
}

void ResizeCall::Wait() {
  if (core_.waits.fetch_add(1) >= core_.limits.max_waits) {
    core_.waits.fetch_sub(1);
    FinishOnce(ControlError{
        .code = absl::StatusCode::kResourceExhausted,
        .reason = "TOO_MANY_WAITS",
        .message = absl::StrCat("the resize was accepted, but ", core_.limits.max_waits,
                                " calls wait already, the most that may; watch the pool instead"),
        .metadata = {{"limit", absl::StrCat(core_.limits.max_waits)}}}
                   .ToGrpc());
    return;
  }
  wait_ends_ = absl::Now() + core_.limits.max_wait;
  {
    std::lock_guard lock(mutex_);
    if (finished_) {  // Cancelled meanwhile; OnDone may have been.
      core_.waits.fetch_sub(1);
      return;
    }
    counted_as_wait_ = true;
    core_.hub.Subscribe(self_);
  }
  OnSnapshot(core_.reader.Read());
}

void ResizeCall::OnSnapshot(const PoolSnapshot& snapshot) {
  const std::string etag = MakeEtag(snapshot.instance_id, snapshot.pool.generation);
  switch (JudgeWait(snapshot, request_.wait_for(), generation_, request_.desired_workers())) {
    case WaitVerdict::kPending:
      if (absl::Now() < wait_ends_) return;
      FinishOnce(ControlError{.code = absl::StatusCode::kDeadlineExceeded,
                              .reason = "WAIT_TOO_LONG",
                              .message = absl::StrCat("the pool did not get there within ",
                                                      absl::FormatDuration(core_.limits.max_wait),
                                                      "; the resize goes on")}
                     .ToGrpc());
      return;
    case WaitVerdict::kReached:
      FinishWithOperation(snapshot, v1::OPERATION_STATE_DONE);
      return;
    case WaitVerdict::kSuperseded:
      FinishOnce(ControlError{
          .code = absl::StatusCode::kAborted,
          .reason = "SUPERSEDED",
          .message = absl::StrCat("another resize came before this one was done: ",
                                  snapshot.pool.desired, " workers are wanted now"),
          .metadata = {{"etag", etag}, {"desired_workers", absl::StrCat(snapshot.pool.desired)}}}
                     .ToGrpc());
      return;
    case WaitVerdict::kShuttingDown:
      FinishOnce(ControlError{.code = absl::StatusCode::kFailedPrecondition,
                              .reason = "SHUTTING_DOWN",
                              .message = "the server began to shut down before the resize was done"}
                     .ToGrpc());
      return;
    case WaitVerdict::kWorkersUnavailable:
      FinishOnce(ControlError{
          .code = absl::StatusCode::kFailedPrecondition,
          .reason = "WORKERS_UNAVAILABLE",
          .message = absl::StrCat("only ", snapshot.ready(), " of ", snapshot.pool.desired,
                                  " workers are ready, ", snapshot.failed(),
                                  " died too often and wait for their next trial; see "
                                  "their last exits"),
          .metadata = {{"ready", absl::StrCat(snapshot.ready())},
                       {"desired", absl::StrCat(snapshot.pool.desired)},
                       {"failed", absl::StrCat(snapshot.failed())}}}
                     .ToGrpc());
      return;
  }
}

void ResizeCall::FinishWithOperation(const PoolSnapshot& snapshot, v1::OperationState state) {
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    v1::Operation* operation = response_.mutable_operation();
    if (state != v1::OPERATION_STATE_VALIDATED) {
      operation->set_name(absl::StrCat("operations/", MakeEtag(snapshot.instance_id, generation_)));
    }
    operation->set_state(state);
    operation->set_generation(generation_);
    operation->set_desired_workers(request_.desired_workers());
    *operation->mutable_pool() = PoolToProto(snapshot, RightNow());
  }
  FinishOnce(grpc::Status::OK);
}

void ResizeCall::FinishOnce(const grpc::Status& status) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
  }
  // The hub's reference must not outlive the call's: whoever calls this holds one of its own.
  core_.hub.Unsubscribe(this);
  Finish(status);
}

void ResizeCall::OnCancel() { FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "")); }

void ResizeCall::OnDone() {
  if (counted_as_wait_) core_.waits.fetch_sub(1);
  self_.reset();
}

}  // namespace squall::internal
