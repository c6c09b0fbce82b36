// The part of PoolState that answers requests for another target.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/process/pool_state.h"

namespace squall {
void PoolState::OnEvent(const ResizeRequest& event) {
  ResizeResult result = Resize(event);
  if (result.code != absl::StatusCode::kOk) {
    NoteRequest(
        event.actor, PoolNote::Type::kResizeRefused, PoolNote::Severity::kWarning,
        absl::StrCat("resize to ", event.target, By(event.actor), " refused: ", result.message));
    NameReason(result);
  }
  actions_.push_back(std::move(result));
}

void PoolState::OnEvent(const ResizeBy& event) {
  int64_t target = static_cast<int64_t>(pool_.desired) + event.delta;
  target = std::clamp<int64_t>(target, 1, pool_.max_workers);
  // A pool that was resized to 0 does not grow by "one less".
  if (event.delta < 0) target = std::min<int64_t>(target, pool_.desired);
  if (target == pool_.desired && started_ && pool_.shutdown == ShutdownMode::kNone) {
    NoteRequest(event.actor, PoolNote::Type::kResizeRefused, PoolNote::Severity::kInfo,
                absl::StrCat("resize by ", event.delta, By(event.actor), " changes nothing: ",
                             target, target == 1 ? " worker is" : " workers are",
                             event.delta < 0 ? " the fewest" : " the most (max_workers)"));
    actions_.push_back(ResizeResult{.generation = pool_.generation,
                                    .desired = pool_.desired,
                                    .max_workers = pool_.max_workers});
    return;
  }
  OnEvent(ResizeRequest{.target = static_cast<int>(target), .actor = event.actor});
}

ResizeResult PoolState::Resize(const ResizeRequest& request) {
  ResizeResult result{
      .generation = pool_.generation, .desired = pool_.desired, .max_workers = pool_.max_workers};
  const auto refuse = [&](absl::StatusCode code, RefusalReason reason, std::string message) {
    result.code = code;
    result.reason = reason;
    result.message = std::move(message);
    return result;
  };

  if (!started_) {
    return refuse(absl::StatusCode::kFailedPrecondition, RefusalReason::kNotStarted,
                  "the pool has not started yet");
  }
  if (pool_.shutdown != ShutdownMode::kNone) {
    return refuse(absl::StatusCode::kFailedPrecondition, RefusalReason::kShuttingDown,
                  "the pool is shutting down");
  }
  if (request.target < 0) {
    return refuse(
        absl::StatusCode::kInvalidArgument, RefusalReason::kNegativeTarget,
        absl::StrCat("the number of workers must not be negative, it was ", request.target));
  }
  if (request.target > pool_.max_workers) {
    return refuse(absl::StatusCode::kFailedPrecondition, RefusalReason::kSlotCapacity,
                  absl::StrCat("this pool can have at most ", pool_.max_workers,
                               " workers (max_workers, fixed at its start), ", request.target,
                               " were asked for"));
  }
  if (request.expected_generation.has_value() && *request.expected_generation != pool_.generation) {
    return refuse(absl::StatusCode::kAborted, RefusalReason::kStaleGeneration,
                  absl::StrCat("the pool is at generation ", pool_.generation, " now, not at ",
                               *request.expected_generation, "; read it and decide again"));
  }
  result.desired = request.target;
  if (request.validate_only) return result;
  const int before = pool_.desired;
  SetTarget(request.target);
  result.generation = pool_.generation;
  NoteRequest(request.actor, PoolNote::Type::kResizeAccepted, PoolNote::Severity::kInfo,
              absl::StrCat("resize from ", before, " to ", request.target, By(request.actor),
                           " accepted, generation ", pool_.generation));
  return result;
}

void PoolState::SetTarget(int target) {
  if (target != pool_.desired) {
    pool_.desired = target;
    ++pool_.generation;
  }
  // Whoever asks for `target` workers wants living ones.
  for (Row& row : rows_) {
    if (row.view.state == WorkerState::kDone) Transition(row, RowEvent::kRelease);
  }
}

}  // namespace squall
