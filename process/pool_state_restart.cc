// The part of PoolState that is about a rolling restart as a whole: when it begins, which generation
// is its target, how it fails, and that it ends.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/process/pool_state.h"

namespace squall {
void PoolState::OnEvent(const RestartRequest& event) {
  RestartResult result = Restart(event);
  if (result.code != absl::StatusCode::kOk) {
    NoteRequest(event.actor, PoolNote::Type::kRestartRefused, PoolNote::Severity::kWarning,
                absl::StrCat("restart", By(event.actor), " refused: ", result.message));
    NameReason(result);
  } else if (result.queued) {
    NoteRequest(event.actor, PoolNote::Type::kRestartQueued, PoolNote::Severity::kInfo,
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
  if (request.validate_only) return result;
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

void PoolState::OnEvent(const CancelRestart& event) {
  if (pool_.restart.phase != RestartPhase::kRunning) return;
  FailRestart(absl::StrCat("cancelled", By(event.actor)));
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
  std::get<PoolNote>(actions_.back()).actor = actor;
}

void PoolState::CountRestartFailure(const Row& row, const std::string& what) {
  if (pool_.restart.phase != RestartPhase::kRunning) return;
  RestartProgressed();
  ++pool_.restart.failures;
  // A slot whose breaker is open gets nothing for so long that waiting would teach nothing.
  if (row.view.state == WorkerState::kFailed) {
    return FailRestart(absl::StrCat("slot ", row.view.slot, " failed, the last death: ", what));
  }
  if (pool_.restart.failures < restart_.max_failures) return;
  FailRestart(absl::StrCat(pool_.restart.failures,
                           pool_.restart.failures == 1 ? " of its workers was lost: "
                                                       : " of its workers were lost, the last: ",
                           what));
}

void PoolState::FailRestart(const std::string& why) {
  const bool roll_back = restart_.on_failure == OnRestartFailure::kRollBack;
  const bool mixed = std::any_of(rows_.begin(), rows_.end(), [this](const Row& row) {
    return HasSlot(row) && row.view.role == RowRole::kHolder && OfNewGeneration(row);
  });
  NoteRestart(PoolNote::Type::kRestartFailed, PoolNote::Severity::kError,
              absl::StrCat("the restart to generation ", pool_.restart.generation, " failed: ", why,
                           !mixed ? absl::StrCat("; generation ", pool_.worker_generation, " stays")
                           : roll_back ? absl::StrCat("; generation ", pool_.worker_generation,
                                                      " comes back")
                                       : "; the workers stay as they are"));
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
  const bool succeeded = phase == RestartPhase::kSucceeded;
  const auto of_generation = std::count_if(rows_.begin(), rows_.end(), [this](const Row& row) {
    return Assigned(row.view) && OfNewGeneration(row);
  });
  pool_.restart.phase = phase;
  pool_.restart.ended_at = now_;
  restart_deadline_ = MonotonicTime::Infinite();
  if (succeeded) pool_.worker_generation = pool_.restart.generation;
  NoteRestart(PoolNote::Type::kRestartEnded,
              succeeded ? PoolNote::Severity::kInfo : PoolNote::Severity::kWarning,
              absl::StrCat("the restart to generation ", pool_.restart.generation,
                           succeeded ? " is done after " : " ended without success after ",
                           In(now_ - pool_.restart.started_at), "; ", of_generation, " of ",
                           pool_.desired, " workers are of this generation"));
  if (!queued_restart_.has_value()) return;
  const RestartRequest next = *std::exchange(queued_restart_, std::nullopt);
  BeginRestart(next.options.value_or(options_.restart), next.actor);
}

// Each step of a restart has a deadline of its own. This one is for what is between them, such as a
// row that does not become free, or forks that fail. Attempts are no progress, only a worker more
// that is replaced, and a failure, for those are counted. So a restart always ends.
void PoolState::RestartProgressed() {
  if (!pool_.restart.runs()) return;
  restart_extended_ = false;
  restart_deadline_ = now_ + RestartPatience();
}

// The way of one slot at its slowest: the predecessor stops, back-off, the successor starts and
// proves itself.
absl::Duration PoolState::RestartPatience() const {
  return options_.drain.grace + 2 * options_.drain.kill_after + options_.backoff.max +
         BootTimeout(pool_.restart.generation) + restart_.soak;
}

absl::Duration PoolState::BootTimeout(uint64_t generation) const {
  const bool of_restart = pool_.restart.runs() && generation == pool_.restart.generation;
  return of_restart ? restart_.ready_timeout.value_or(options_.boot_timeout)
                    : options_.boot_timeout;
}

bool PoolState::Proven(const Row& row) {
  return row.view.state == WorkerState::kReady && !row.soaking &&
         row.view.stop_step == StopStep::kNone;
}

// The restart is not done with this row.
bool PoolState::RestartLeft(const Row& row) const {
  if (!Assigned(row.view)) return false;
  if (row.view.role == RowRole::kRefill || row.view.generation != TargetGeneration()) return true;
  // The generation before need not prove itself: there is no other to go back to.
  return pool_.restart.phase == RestartPhase::kRunning && !Proven(row) &&
         row.view.state != WorkerState::kDone;
}

void PoolState::CheckRestart() {
  if (!pool_.restart.runs()) return;
  const bool running = pool_.restart.phase == RestartPhase::kRunning;
  const auto left = std::count_if(rows_.begin(), rows_.end(),
                                  [this](const Row& row) { return RestartLeft(row); });
  if (left == 0 && CountRole(RowRole::kSuccessor) == 0) {
    return EndRestart(running ? RestartPhase::kSucceeded : RestartPhase::kFailed);
  }
  if (left < std::exchange(restart_left_, left)) RestartProgressed();
  if (restart_deadline_ > now_) return;
  if (now_ - restart_deadline_ > kMasterWasLate && !std::exchange(restart_extended_, true)) {
    restart_deadline_ = now_ + RestartPatience();
    return;
  }
  const std::string why = RestartWaitsFor();
  if (running) {
    FailRestart(why);
    return CheckRestart();  // There may be nothing to take back.
  }
  NoteRestart(
      PoolNote::Type::kRestartFailed, PoolNote::Severity::kError,
      absl::StrCat("rolling back to generation ", pool_.worker_generation, " failed: ", why));
  EndRestart(RestartPhase::kFailed);
}

// "no worker was replaced within 2m10s: 2 are still to be replaced, 1 old one has not ended".
std::string PoolState::RestartWaitsFor() const {
  int old = 0;
  int unproven = CountRole(RowRole::kSuccessor);
  int ready = 0;
  for (const Row& row : rows_) {
    if (!Assigned(row.view)) continue;
    const bool replaced = row.view.generation == TargetGeneration();
    old += !replaced;
    unproven += replaced && !Proven(row);
    ready += Proven(row);
  }
  const int ending = CountRole(RowRole::kLeaving) + CountRole(RowRole::kRefill);
  std::string text = absl::StrCat("no worker was replaced within ", In(RestartPatience()), ": ",
                                  old, " to be replaced");
  if (unproven > 0) absl::StrAppend(&text, ", ", unproven, " new not ready");
  if (ending > 0) absl::StrAppend(&text, ", ", ending, " old not ended");
  if (old > 0 && restart_.max_unavailable > 0) {
    absl::StrAppend(&text, ", ", ready, " ready where min_healthy is ", MinHealthy());
  }
  return text;
}

// ---------------------------------------------------------------------------------------------------

bool PoolState::HasSlot(const Row& row) {
  return row.view.state != WorkerState::kEmpty && row.view.state != WorkerState::kDraining;
}

bool PoolState::Assigned(const SlotView& view) {
  switch (view.role) {
    case RowRole::kHolder:
      return view.state != WorkerState::kEmpty && view.state != WorkerState::kDraining;
    case RowRole::kRefill:
      return true;
    case RowRole::kSuccessor:
    case RowRole::kLeaving:
      return false;
  }
  return false;
}

bool PoolState::OfNewGeneration(const Row& row) const {
  return pool_.restart.runs() && row.view.generation == pool_.restart.generation;
}

int PoolState::MinHealthy() const {
  return restart_.min_healthy.value_or(pool_.desired - restart_.max_unavailable);
}

// As Kubernetes' 25 %: 8 idle workers that drain for 24 s each take a minute and a half, 64 no
// longer.
int PoolState::MaxSurge() const {
  return restart_.max_surge.value_or(std::max(1, (pool_.desired + 3) / 4));
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
