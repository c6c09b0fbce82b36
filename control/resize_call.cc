#include "squall/control/resize_call.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/control/command_call.h"
#include "squall/control/error_details.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/refusal_report.h"
#include "squall/control/request_check.h"
#include "squall/control/resize_wait.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

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
  return CheckRequestId(request.request_id());
}

}  // namespace

grpc::ServerUnaryReactor* ResizeCall::Start(ControlCore& core, const Caller& caller,
                                            const v1::ResizePoolRequest& request,
                                            v1::ResizePoolResponse& response) {
  std::shared_ptr<ResizeCall> call(new ResizeCall(core, caller.use, request, response));
  call->self_ = call;
  call->Ask(caller);
  // gRPC does not run OnDone before it has got the reactor.
  return call.get();
}

ResizeCall::ResizeCall(ControlCore& core, std::shared_ptr<CallerUse> use,
                       const v1::ResizePoolRequest& request, v1::ResizePoolResponse& response)
    : core_(core), use_(std::move(use)), request_(request), response_(response) {}

void ResizeCall::Ask(const Caller& caller) {
  const auto refuse = [&](const ControlError& error) {
    const grpc::Status status = error.ToGrpc();
    ReportRefusal(core_, caller, "ResizePool", status);
    FinishOnce(status);
  };
  if (const std::optional<ControlError> error = Check(request_)) return refuse(*error);
  link_request_.command = LinkCommand::kResize;
  link_request_.target = request_.desired_workers();
  link_request_.validate_only = request_.validate_only() ? 1 : 0;
  SetLinkText(link_request_.actor, caller.name);
  SetLinkText(link_request_.request_id, request_.request_id());
  if (const auto error = CheckEtag(request_.etag(), core_.reader.Read(), link_request_)) {
    return refuse(*error);
  }
  core_.commander.Send(link_request_, [call = self_](const absl::StatusOr<LinkReply>& reply) {
    call->OnReply(reply);
  });
}

void ResizeCall::OnReply(const absl::StatusOr<LinkReply>& reply) {
  if (!reply.ok()) {
    FinishOnce(MasterUnreachable(std::string(reply.status().message()), "the resize",
                                 request_.validate_only())
                   .ToGrpc());
    return;
  }
  const PoolSnapshot snapshot = core_.reader.Read();
  if (reply->code != 0) {
    FinishOnce(FromRefusal(*reply, snapshot, link_request_).ToGrpc());
    return;
  }
  reply_ = *reply;
  if (request_.validate_only() || request_.wait_for() == v1::WAIT_FOR_UNSPECIFIED ||
      request_.wait_for() == v1::WAIT_FOR_ACCEPTED) {
    FinishWithOperation(snapshot);
  } else {
    Wait();
  }
}

void ResizeCall::Wait() {
  if (const std::optional<int> limit = core_.CountWait(*use_); limit.has_value()) {
    FinishOnce(ControlError{
        .code = absl::StatusCode::kResourceExhausted,
        .reason = "TOO_MANY_WAITS",
        .message = absl::StrCat("the resize was accepted, but ", *limit,
                                " calls wait already, the most that may; watch the pool instead"),
        .metadata = {{"limit", absl::StrCat(*limit)}}}
                   .ToGrpc());
    return;
  }
  wait_ends_ = absl::Now() + core_.limits.max_wait;
  {
    std::lock_guard lock(mutex_);
    if (finished_) {  // Cancelled meanwhile; OnDone may have been.
      core_.EndWait(*use_);
      return;
    }
    counted_as_wait_ = true;
    core_.hub.Subscribe(self_);
  }
  OnSnapshot(core_.reader.Read());
}

void ResizeCall::OnSnapshot(const PoolSnapshot& snapshot) {
  const std::string etag = MakeEtag(snapshot.instance_id, snapshot.pool.generation);
  switch (JudgeWait(snapshot, request_.wait_for(), reply_.generation, request_.desired_workers())) {
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
      // The master publishes the pool before the operation's end, and gives notice after both.
      if (request_.wait_for() == v1::WAIT_FOR_DRAINED && OperationRuns()) return;
      FinishWithOperation(snapshot);
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

bool ResizeCall::OperationRuns() const {
  const std::optional<OperationView> operation = core_.reader.FindOperation(reply_.operation);
  return operation.has_value() && !operation->ended();
}

void ResizeCall::FinishWithOperation(const PoolSnapshot& snapshot) {
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    *response_.mutable_operation() =
        CommandAnswer{reply_, snapshot, link_request_, core_.reader}.Operation();
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
  if (counted_as_wait_) core_.EndWait(*use_);
  self_.reset();
}

}  // namespace squall::internal
