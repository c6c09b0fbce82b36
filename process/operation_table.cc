#include "squall/process/operation_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/process/control_link.h"
#include "squall/process/worker_state.h"

namespace squall {

ResizeProgress JudgeResize(const PoolView& pool, int target) {
  if (pool.desired != target) return ResizeProgress::kSuperseded;
  if (pool.shutdown != ShutdownMode::kNone) return ResizeProgress::kShuttingDown;
  // A worker that ended with status 0 has done its part (Tornado's rule).
  const int served = pool.count(WorkerState::kReady) + pool.count(WorkerState::kDone);
  const bool drained = pool.count(WorkerState::kDraining) == 0;
  if (served >= target) return drained ? ResizeProgress::kDone : ResizeProgress::kReady;
  const int failed = pool.count(WorkerState::kFailed);
  if (drained && pool.count(WorkerState::kStarting) == 0 &&
      pool.count(WorkerState::kBackoff) == 0 && failed > 0 && served + failed >= target) {
    return ResizeProgress::kWorkersUnavailable;
  }
  return ResizeProgress::kRunning;
}

uint64_t OperationTable::Begin(OperationView operation, MonotonicTime now) {
  CHECK(has_room());
  // The cell of one that runs is taken.
  do {
    ++last_id_;
  } while (std::any_of(running_.begin(), running_.end(), [this](const OperationView& other) {
    return other.id % OperationBoard::kCapacity == last_id_ % OperationBoard::kCapacity;
  }));
  operation.id = last_id_;
  operation.state = OperationState::kRunning;
  operation.began_at = now;
  operation.ended_at = MonotonicTime::Infinite();
  running_.push_back(operation);
  board_.Publish(operation);
  ++revision_;
  return operation.id;
}

void OperationTable::Update(const PoolState& pool, MonotonicTime now) {
  for (OperationView& operation : running_) {
    if (const std::optional<Verdict> verdict = Judge(operation, pool))
      End(operation, *verdict, now);
  }
  running_.erase(std::remove_if(running_.begin(), running_.end(),
                                [](const OperationView& operation) { return operation.ended(); }),
                 running_.end());
  if (!pool.pool().restart.runs()) restart_failure_.clear();
}

const OperationView* OperationTable::FindRunning(uint64_t id) const {
  const auto it = std::find_if(running_.begin(), running_.end(),
                               [id](const OperationView& operation) { return operation.id == id; });
  return it == running_.end() ? nullptr : &*it;
}

const OperationView* OperationTable::FindRestart(uint64_t generation) const {
  const auto it =
      std::find_if(running_.begin(), running_.end(), [generation](const OperationView& operation) {
        return operation.kind == OperationKind::kRestart && operation.generation == generation;
      });
  return it == running_.end() ? nullptr : &*it;
}

void OperationTable::Cancel(uint64_t id, std::string_view why, MonotonicTime now) {
  for (auto it = running_.begin(); it != running_.end(); ++it) {
    if (it->id != id) continue;
    End(*it, {.state = OperationState::kCancelled, .message = std::string(why)}, now);
    running_.erase(it);
    return;
  }
}

void OperationTable::End(OperationView& operation, const Verdict& verdict, MonotonicTime now) {
  operation.state = verdict.state;
  operation.error = verdict.error;
  operation.ended_at = now;
  SetLinkText(operation.message, verdict.message);
  board_.Publish(operation);
  ++revision_;
}

std::optional<OperationTable::Verdict> OperationTable::Judge(const OperationView& operation,
                                                             const PoolState& pool) const {
  switch (operation.kind) {
    case OperationKind::kNone:
      break;
    case OperationKind::kResize:
      switch (JudgeResize(pool.pool(), operation.target)) {
        case ResizeProgress::kRunning:
        case ResizeProgress::kReady:
          return std::nullopt;
        case ResizeProgress::kDone:
          return Verdict{};
        case ResizeProgress::kSuperseded:
          return Verdict{OperationState::kFailed, OperationError::kSuperseded,
                         absl::StrCat("another resize came before this one was done: ",
                                      pool.pool().desired, " workers are wanted now")};
        case ResizeProgress::kShuttingDown:
          return Verdict{OperationState::kFailed, OperationError::kShuttingDown,
                         "the server began to shut down before the resize was done"};
        case ResizeProgress::kWorkersUnavailable:
          return Verdict{
              OperationState::kFailed, OperationError::kWorkersUnavailable,
              absl::StrCat(pool.pool().count(WorkerState::kFailed), " of ", operation.target,
                           " workers died too often, their breakers are open")};
      }
      break;
    case OperationKind::kRestart:
      return JudgeRestart(operation, pool.pool());
    case OperationKind::kDrainWorker:
    case OperationKind::kKillWorker:
      return JudgeWorker(operation, pool);
  }
  return Verdict{};
}

std::optional<OperationTable::Verdict> OperationTable::JudgeRestart(const OperationView& operation,
                                                                    const PoolView& pool) const {
  const RestartView& restart = pool.restart;
  if (pool.shutdown != ShutdownMode::kNone) {
    return Verdict{OperationState::kFailed, OperationError::kShuttingDown,
                   "the server began to shut down before the restart was done"};
  }
  // One that waited its turn may have begun in the Step that ended this one. If this one had
  // succeeded, its generation serves.
  const bool ended = restart.generation != operation.generation || !restart.runs();
  if (!ended) return std::nullopt;
  const bool succeeded = restart.generation == operation.generation
                             ? restart.phase == RestartPhase::kSucceeded
                             : pool.worker_generation == operation.generation;
  if (succeeded) {
    // The old ones are replaced, but an operator waits for their end, too.
    if (restart.generation == operation.generation && pool.count(WorkerState::kDraining) > 0) {
      return std::nullopt;
    }
    return Verdict{};
  }
  return Verdict{OperationState::kFailed, OperationError::kRestartFailed,
                 restart_failure_.empty() ? "the restart failed" : restart_failure_};
}

std::optional<OperationTable::Verdict> OperationTable::JudgeWorker(const OperationView& operation,
                                                                   const PoolState& pool) {
  for (int row = 0; row < pool.rows(); ++row) {
    const SlotView& view = pool.row(row);
    if (view.slot == operation.slot && view.incarnation == operation.incarnation &&
        HasProcess(view.state)) {
      return std::nullopt;
    }
  }
  if (pool.pool().shutdown != ShutdownMode::kNone) return Verdict{};
  const SlotView holder = pool.slot(operation.slot);
  switch (holder.state) {
    case WorkerState::kStarting:
    case WorkerState::kBackoff:
    case WorkerState::kDraining:
      return std::nullopt;
    case WorkerState::kFailed:
      return Verdict{OperationState::kFailed, OperationError::kWorkersUnavailable,
                     absl::StrCat("the worker is gone, but the next one of slot ", operation.slot,
                                  " died too often, its breaker is open")};
    case WorkerState::kReady:
    case WorkerState::kDone:
    case WorkerState::kEmpty:
      return Verdict{};
  }
  return Verdict{};
}

}  // namespace squall
