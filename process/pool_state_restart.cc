// The part of PoolState that replaces workers which serve: all of them in a rolling restart, one
// after the other when they are to be recycled.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

// Of recycling: one slot at a time.
constexpr int kRecycleSurge = 1;

}  // namespace

// ---------------------------------------------------------------------------------------------------
// The restart as a whole.

void PoolState::OnEvent(const RestartRequest& event) {
  RestartResult result = Restart(event);
  if (result.code != absl::StatusCode::kOk) {
    Note(PoolNote::Type::kRestartRefused, PoolNote::Severity::kWarning,
         absl::StrCat("restart", By(event.actor), " refused: ", result.message));
  } else if (result.queued) {
    Note(PoolNote::Type::kRestartQueued, PoolNote::Severity::kInfo,
         absl::StrCat("restart", By(event.actor), " follows the one that runs"));
  }
  actions_.push_back(std::move(result));
}

RestartResult PoolState::Restart(const RestartRequest& request) {
  RestartResult result{.generation = pool_.generation};
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
  const RestartOptions& options = request.options.has_value() ? *request.options : options_.restart;
  if (const absl::Status valid = Validate(options); !valid.ok()) {
    return refuse(absl::StatusCode::kInvalidArgument, RefusalReason::kBadRestartOption,
                  std::string(valid.message()));
  }
  if (options.max_unavailable == 0 && options_.surge_slots == 0) {
    return refuse(absl::StatusCode::kFailedPrecondition, RefusalReason::kBadRestartOption,
                  "this pool has no surge slots, so max_unavailable must be at least 1");
  }
  if (request.expected_generation.has_value() && *request.expected_generation != pool_.generation) {
    return refuse(absl::StatusCode::kAborted, RefusalReason::kStaleGeneration,
                  absl::StrCat("the pool is at generation ", pool_.generation, " now, not at ",
                               *request.expected_generation, "; read it and decide again"));
  }
  if (pool_.restart.runs()) {
    queued_restart_ = request;
    result.generation = pool_.restart.generation;
    result.queued = true;
    return result;
  }
  BeginRestart(options, request.actor);
  result.generation = pool_.restart.generation;
  return result;
}

void PoolState::BeginRestart(const RestartOptions& options, const std::string& actor) {
  restart_ = options;
  ++pool_.generation;
  pool_.restart = RestartView{
      .phase = RestartPhase::kRunning, .generation = pool_.generation, .started_at = now_};
  replace_backoff_.Reset();
  replace_not_before_.reset();
  RestartProgressed();
  NoteRestart(PoolNote::Type::kRestartStarted, PoolNote::Severity::kInfo,
              absl::StrCat("restart of ", pool_.desired, " workers begins",
                           actor.empty() ? std::string() : absl::StrCat(", asked for by ", actor),
                           ", generation ", pool_.generation));
}

void PoolState::CountRestartFailure(const std::string& what) {
  if (pool_.restart.phase != RestartPhase::kRunning) return;
  RestartProgressed();
  if (++pool_.restart.failures < restart_.max_failures) return;
  FailRestart(absl::StrCat(pool_.restart.failures, " of its workers died, the last: ", what));
}

void PoolState::FailRestart(const std::string& why) {
  const bool roll_back = restart_.on_failure == OnRestartFailure::kRollBack;
  NoteRestart(
      PoolNote::Type::kRestartFailed, PoolNote::Severity::kError,
      absl::StrCat("the restart to generation ", pool_.restart.generation, " failed: ", why,
                   roll_back ? absl::StrCat("; generation ", pool_.worker_generation, " comes back")
                             : std::string("; the workers stay as they are")));
  pool_.restart.phase = RestartPhase::kRollingBack;
  replace_not_before_.reset();
  for (Row& row : rows_) {
    if (row.view.role != RowRole::kSuccessor) continue;
    SetRole(row, RowRole::kLeaving);
    Transition(row, RowEvent::kRelease);
  }
  for (Row& row : rows_) {
    if (!std::exchange(row.soaking, false) || row.view.stop_step != StopStep::kNone) continue;
    Enter(row, WorkerState::kReady, TrialEnd(row));
  }
  RestartProgressed();
  if (!roll_back) EndRestart(RestartPhase::kFailed);
}

void PoolState::NoteRestart(PoolNote::Type type, PoolNote::Severity severity, std::string text) {
  actions_.push_back(PoolNote{.severity = severity,
                              .type = type,
                              .generation = pool_.restart.generation,
                              .text = std::move(text)});
}

void PoolState::EndRestart(RestartPhase phase) {
  pool_.restart.phase = phase;
  pool_.restart.ended_at = now_;
  restart_deadline_ = MonotonicTime::Infinite();
  const bool succeeded = phase == RestartPhase::kSucceeded;
  if (succeeded) pool_.worker_generation = pool_.restart.generation;
  Note(PoolNote::Type::kRestartEnded,
       succeeded ? PoolNote::Severity::kInfo : PoolNote::Severity::kWarning,
       absl::StrCat("the restart to generation ", pool_.restart.generation,
                    succeeded ? " is done after " : " ended without success after ",
                    In(now_ - pool_.restart.started_at)));
  if (!queued_restart_.has_value() || pool_.shutdown != ShutdownMode::kNone) return;
  const RestartRequest next = *std::exchange(queued_restart_, std::nullopt);
  BeginRestart(next.options.value_or(options_.restart), next.actor);
}

// Each step of a restart has a deadline of its own; this one is for what is between them, such as a
// pool in which no row becomes free, or a worker whose slot stays in back-off.
void PoolState::RestartProgressed() {
  if (!pool_.restart.runs()) return;
  restart_extended_ = false;
  restart_deadline_ = now_ + restart_.ready_timeout.value_or(options_.boot_timeout) +
                      restart_.soak + options_.drain.grace + 2 * options_.drain.kill_after;
}

void PoolState::CheckRestart() {
  if (!pool_.restart.runs()) return;
  const bool running = pool_.restart.phase == RestartPhase::kRunning;
  const bool done = std::all_of(rows_.begin(), rows_.end(), [&](const Row& row) {
    const SlotView& view = row.view;
    if (view.role == RowRole::kSuccessor || view.role == RowRole::kRefill) return false;
    if (view.role == RowRole::kLeaving || !HasSlot(row)) return true;
    if (view.generation != TargetGeneration()) return false;
    const bool proven =
        view.state == WorkerState::kDone ||
        (view.state == WorkerState::kReady && !row.soaking && view.stop_step == StopStep::kNone);
    return proven || !running;
  });
  if (done) return EndRestart(running ? RestartPhase::kSucceeded : RestartPhase::kFailed);
  if (restart_deadline_ > now_) return;
  if (now_ - restart_deadline_ > kMasterWasLate && !std::exchange(restart_extended_, true)) {
    const bool extended = restart_extended_;
    RestartProgressed();
    restart_extended_ = extended;
    return;
  }
  const std::string why =
      absl::StrCat("nothing has moved for a long time, and ", pool_.restart.remaining,
                   " workers are still to be replaced");
  if (running) return FailRestart(why);
  NoteRestart(
      PoolNote::Type::kRestartFailed, PoolNote::Severity::kError,
      absl::StrCat("rolling back to generation ", pool_.worker_generation, " failed: ", why));
  EndRestart(RestartPhase::kFailed);
}

// ---------------------------------------------------------------------------------------------------
// One slot after the other.

bool PoolState::HasReplacements() const {
  if (pool_.shutdown != ShutdownMode::kNone) return false;
  return pool_.restart.runs() || std::any_of(rows_.begin(), rows_.end(), [](const Row& row) {
           return !row.replace_reason.empty();
         });
}

void PoolState::RunReplacements() {
  if (pool_.shutdown != ShutdownMode::kNone || !started_) return;
  if (replace_not_before_.has_value()) {
    if (now_ < *replace_not_before_) return;
    replace_not_before_.reset();
  }
  for (;;) {
    Row* next = nullptr;
    for (Row& row : rows_) {
      if (MayReplace(row) && (next == nullptr || row.view.slot < next->view.slot)) next = &row;
    }
    if (next == nullptr || !ReplaceOne(*next)) return;
  }
}

bool PoolState::MayReplace(const Row& holder) const {
  if (holder.view.role != RowRole::kHolder || !HasSlot(holder)) return false;
  // One handover of a slot at a time.
  const bool alone = std::none_of(rows_.begin(), rows_.end(), [&](const Row& row) {
    return &row != &holder && row.view.slot == holder.view.slot &&
           row.view.state != WorkerState::kEmpty;
  });
  if (!alone) return false;
  if (pool_.restart.runs()) return holder.view.generation != TargetGeneration();
  if (holder.replace_reason.empty()) return false;
  // Nothing else may be on its way: a recycle is never urgent.
  return std::none_of(rows_.begin(), rows_.end(), [](const Row& row) {
    return row.view.role != RowRole::kHolder || row.view.state == WorkerState::kStarting;
  });
}

// False when it has to wait.
bool PoolState::ReplaceOne(Row& holder) {
  const bool restarting = pool_.restart.runs();
  const int max_surge =
      std::min(restarting ? restart_.max_surge : kRecycleSurge, options_.surge_slots);
  // Without surge rows a recycle takes the worker out first.
  const int max_unavailable =
      restarting ? restart_.max_unavailable : (options_.surge_slots == 0 ? 1 : 0);

  int ready = 0;
  int unproven = 0;
  int unavailable = CountRole(RowRole::kRefill);
  for (const Row& row : rows_) {
    if (row.view.role != RowRole::kHolder || !HasSlot(row)) continue;
    const bool proven = row.view.state == WorkerState::kReady && !row.soaking;
    ready += proven;
    if (row.view.generation != TargetGeneration()) continue;
    unproven += row.view.state == WorkerState::kStarting || row.soaking;
    unavailable += !proven && row.view.state != WorkerState::kDone;
  }

  if (!HasProcess(holder.view.state)) {
    // Nothing serves in this slot, so nothing is lost by starting it in its place.
    if (unproven >= std::max(1, max_surge + max_unavailable)) return false;
    holder.backoff.Reset();
    holder.deaths.clear();
    holder.view.on_trial = false;
    StartWorker(holder, TargetGeneration());
    RestartProgressed();
    return true;
  }
  Row* const row = EmptyRow();
  if (row != nullptr && CountRole(RowRole::kSuccessor) + CountRole(RowRole::kLeaving) < max_surge) {
    StartSuccessor(*row, holder);
    return true;
  }
  const bool serves = holder.view.state == WorkerState::kReady;
  const int min_healthy = restart_.min_healthy.value_or(pool_.desired - max_unavailable);
  if (unavailable >= max_unavailable || (restarting && serves && ready - 1 < min_healthy)) {
    return false;
  }
  SetRole(holder, RowRole::kRefill);
  Transition(holder, RowEvent::kRelease);
  RestartProgressed();
  return true;
}

void PoolState::StartSuccessor(Row& row, Row& holder) {
  row.view.slot = holder.view.slot;
  SetRole(row, RowRole::kSuccessor);
  StartWorker(row, TargetGeneration());
  RestartProgressed();
}

void PoolState::TakeOver(Row& successor) {
  Row* holder = nullptr;
  for (Row& row : rows_) {
    if (row.view.slot == successor.view.slot && row.view.role == RowRole::kHolder && HasSlot(row)) {
      holder = &row;
    }
  }
  SetRole(successor, RowRole::kHolder);
  RestartProgressed();
  if (holder == nullptr) return;
  Note(PoolNote::Type::kTakenOver, PoolNote::Severity::kInfo,
       absl::StrCat(Name(successor), " takes over from ", Name(*holder)), &successor);
  SetRole(*holder, RowRole::kLeaving);
  Transition(*holder, RowEvent::kRelease);
}

void PoolState::SuccessorLost(Row& row, const std::string& what) {
  const absl::Duration delay = replace_backoff_.Next(random_);
  const bool new_generation = OfNewGeneration(row);
  replace_not_before_ = now_ + delay;
  Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning,
       absl::StrCat(what, "; the worker it was to replace stays"), &row, delay);
  Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  if (new_generation) CountRestartFailure(what);
}

// ---------------------------------------------------------------------------------------------------

bool PoolState::HasSlot(const Row& row) {
  return row.view.state != WorkerState::kEmpty && row.view.state != WorkerState::kDraining;
}

bool PoolState::OfNewGeneration(const Row& row) const {
  return pool_.restart.runs() && row.view.generation == pool_.restart.generation;
}

PoolState::Row* PoolState::SuccessorOf(int slot) {
  for (Row& row : rows_) {
    if (row.view.slot == slot && row.view.role == RowRole::kSuccessor) return &row;
  }
  return nullptr;
}

int PoolState::CountRole(RowRole role) const {
  return static_cast<int>(std::count_if(rows_.begin(), rows_.end(),
                                        [role](const Row& row) { return row.view.role == role; }));
}

uint64_t PoolState::TargetGeneration() const {
  return pool_.restart.phase == RestartPhase::kRunning ? pool_.restart.generation
                                                       : pool_.worker_generation;
}

// A generation that still has to prove itself does not get the growth, too.
uint64_t PoolState::GrowthGeneration() const {
  const bool proven = std::any_of(rows_.begin(), rows_.end(), [this](const Row& row) {
    return OfNewGeneration(row) && row.view.role == RowRole::kHolder &&
           row.view.state == WorkerState::kReady && !row.soaking;
  });
  return proven ? TargetGeneration() : pool_.worker_generation;
}

}  // namespace squall
