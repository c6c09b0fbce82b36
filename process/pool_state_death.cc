// The part of PoolState that answers deaths which nobody asked for, and failed forks: what is
// counted, and when the slot gets its next worker.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/process/pool_state.h"

namespace squall {
namespace {

std::string Tally(const SlotView& view) {
  std::string text;
  for (int i = 1; i < kNumDeathCauses; ++i) {
    if (view.deaths[i] == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", view.deaths[i], " × ",
                    ToAbsl(DeathCauseName(static_cast<DeathCause>(i))));
  }
  return text;
}

}  // namespace

void PoolState::RecordExit(Row& row, const ExitStatus& status, DeathCause cause) {
  history_[row.view.slot].last_exit = LastExit{.status = status,
                                               .cause = cause,
                                               .pid = row.view.pid,
                                               .incarnation = row.view.incarnation,
                                               .at = now_};
  ShowHistory(row.view.slot);
}

void PoolState::CountDeath(Row& row, DeathCause cause, const ExitStatus& status) {
  SlotView& view = row.view;
  ++history_[view.slot].restarts;
  ++history_[view.slot].deaths[static_cast<size_t>(cause)];
  ++pool_.restarts;
  ++pool_.deaths[static_cast<size_t>(cause)];
  RecordExit(row, status, cause);
  const std::string what =
      absl::StrCat(Name(row), " was ", status.signal == 0 ? "lost: it " : "", status.ToString(),
                   " (", ToAbsl(DeathCauseName(cause)), ")");
  if (GiveUpPool(row, what)) return;
  if (view.role == RowRole::kSuccessor) return SuccessorLost(row, what);
  if (Row* successor = SuccessorOf(view.slot)) {
    Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning,
         absl::StrCat(what, "; its successor takes the slot"), &row);
    SetRole(*successor, RowRole::kHolder);
    return Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  }
  RestartAfterDeath(row, what);
}

// True when max_restarts is exceeded.
bool PoolState::GiveUpPool(Row& row, const std::string& what) {
  if (!options_.max_restarts.has_value() ||
      pool_.restarts <= static_cast<uint64_t>(*options_.max_restarts)) {
    return false;
  }
  Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning, what, &row);
  Note(PoolNote::Type::kGivingUp, PoolNote::Severity::kError,
       absl::StrCat("Too many child restarts, giving up: more than ", *options_.max_restarts));
  Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  exit_code_ = EXIT_FAILURE;
  pool_.shutdown = ShutdownMode::kFast;
  queued_restart_.reset();
  if (pool_.restart.runs()) EndRestart(RestartPhase::kFailed);
  ReleaseAll(RowEvent::kReleaseFast);
  return true;
}

void PoolState::RestartAfterDeath(Row& row, const std::string& what) {
  SlotView& view = row.view;
  if (!view.ready_at.is_infinite() && now_ - view.ready_at >= options_.backoff.healthy_after) {
    row.backoff.Reset();
    if (view.on_trial) {
      view.on_trial = false;
      row.deaths.clear();
    }
  }
  // A request that kills whoever gets it must not be able to end the service. Back-off and breaker
  // of the others protect the machine; those of the last one would only complete the outage.
  const bool last = IsLastToServe(row);
  if (!last) row.deaths.push_back(now_);
  std::erase_if(row.deaths,
                [this](MonotonicTime death) { return now_ - death > options_.breaker.window; });

  const bool open =
      !last && !options_.max_restarts.has_value() &&
      (view.on_trial || row.deaths.size() > static_cast<size_t>(options_.breaker.deaths));
  const absl::Duration delay = open                                 ? options_.breaker.cool_down
                               : last && row.backoff.failures() > 0 ? options_.backoff.initial
                                                                    : row.backoff.Next(random_);
  Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning,
       open ? what
            : absl::StrCat(what, ", restarting",
                           delay > absl::ZeroDuration() ? absl::StrCat(" in ", In(delay)) : ""),
       &row, open ? absl::ZeroDuration() : delay);
  if (open) {
    Note(PoolNote::Type::kBreakerOpen, PoolNote::Severity::kError,
         absl::StrCat("slot ", view.slot, " failed: ",
                      view.on_trial ? std::string("its trial worker died, too")
                                    : absl::StrCat(row.deaths.size(), " deaths within ",
                                                   In(options_.breaker.window)),
                      " (in all ", Tally(view), "); next trial in ", In(delay)),
         &row, delay);
  }
  // Before the row starts again: a generation that failed is not started any more.
  const bool new_generation = OfNewGeneration(row);
  Enter(row, open ? WorkerState::kFailed : WorkerState::kBackoff, now_ + delay);
  if (new_generation) CountRestartFailure(row, what);
  // Unless the roll-back has started it already.
  if (view.state == WorkerState::kBackoff && delay <= absl::ZeroDuration()) Retry(row);
}

bool PoolState::IsLastToServe(const Row& row) const {
  const auto serves = [](const Row& one) {
    return one.view.state == WorkerState::kReady && one.view.stop_step == StopStep::kNone;
  };
  return row.view.state == WorkerState::kReady &&
         std::none_of(rows_.begin(), rows_.end(),
                      [&](const Row& other) { return &other != &row && serves(other); });
}

void PoolState::RetrySpawn(Row& row, const std::string& error) {
  ++history_[row.view.slot].spawn_failures;
  ++pool_.spawn_failures;
  ShowHistory(row.view.slot);
  const bool successor = row.view.role == RowRole::kSuccessor;
  const absl::Duration delay = (successor ? replace_backoff_ : row.spawn_backoff).Next(random_);
  ++failed_starts_;
  // What one slot meets all do, again and again: the rest is counted.
  if (std::exchange(start_error_, error) != error) {
    Note(PoolNote::Type::kSpawnFailed, PoolNote::Severity::kWarning,
         absl::StrCat("cannot start worker ", row.view.slot, ": ", error, "; next attempt in ",
                      In(delay), ", this and others until it goes"),
         &row, delay);
  }
  if (successor) {
    replace_not_before_ = now_ + delay;
    return Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  }
  if (Row* comes = SuccessorOf(row.view.slot)) {
    SetRole(*comes, RowRole::kHolder);
    return Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  }
  Enter(row, WorkerState::kBackoff, now_ + delay);
}

void PoolState::OnEvent(const ResetBreaker& event) {
  if (pool_.shutdown != ShutdownMode::kNone) return;
  for (Row& row : rows_) {
    const SlotView& view = row.view;
    if (event.slot >= 0 && view.slot != event.slot) continue;
    if (view.state != WorkerState::kFailed && view.state != WorkerState::kBackoff) continue;
    NoteRequest(event.actor, PoolNote::Type::kBreakerReset, PoolNote::Severity::kInfo,
                absl::StrCat("slot ", view.slot, " was ", ToAbsl(WorkerStateName(view.state)),
                             " and starts anew, asked for", By(event.actor)),
                &row);
    row.deaths.clear();
    row.backoff.Reset();
    row.spawn_backoff.Reset();
    row.view.on_trial = false;
    Enter(row, WorkerState::kBackoff, now_);
    Retry(row);
  }
}

void PoolState::Retry(Row& row) {
  if (row.view.state == WorkerState::kFailed) {
    row.view.on_trial = true;
    Note(PoolNote::Type::kBreakerTrial, PoolNote::Severity::kInfo,
         absl::StrCat("slot ", row.view.slot, " gets a trial worker"), &row);
  }
  // Workers of a generation that failed are not started any more.
  const bool of_target = row.view.generation == TargetGeneration();
  StartWorker(row, of_target ? row.view.generation : pool_.worker_generation);
}

}  // namespace squall
