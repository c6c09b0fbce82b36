// The part of PoolState that is about one row: its state machine.
#include <csignal>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/process/pool_state.h"

namespace squall {

// The row's state machine. docs/worker-lifecycle.md has it as a diagram and as a table.

void PoolState::Transition(Row& row, RowEvent event, const EventDetails& details) {
  SlotView& view = row.view;
  switch (view.state) {
    case WorkerState::kEmpty:
      switch (event) {
        case RowEvent::kAssign:
          return StartWorker(row, GrowthGeneration());
        case RowEvent::kRelease:
        case RowEvent::kReleaseFast:
        case RowEvent::kReleaseNow:
        case RowEvent::kSpawned:
        case RowEvent::kSpawnFailed:
        case RowEvent::kReady:
        case RowEvent::kExited:
        case RowEvent::kAbort:
        case RowEvent::kDeadline:
          return;
      }
      return;

    case WorkerState::kStarting:
      switch (event) {
        case RowEvent::kSpawned:
          return SetPid(row, details.pid);
        case RowEvent::kSpawnFailed:
          if (view.pid == 0) RetrySpawn(row, details.error);
          return;
        case RowEvent::kReady:
          // After its KILL a READY comes too late: the process is as good as dead.
          if (view.stop_step == StopStep::kNone) BecomeReady(row);
          return;
        case RowEvent::kExited:
          if (details.status.success()) return BecomeDone(row);
          return CountDeath(row,
                            view.stop_step == StopStep::kKillSent ? DeathCause::kBootTimeout
                            : details.out_of_memory               ? DeathCause::kOutOfMemory
                                                                  : DeathCause::kBootFailure,
                            details.status);
        case RowEvent::kRelease:
          return StartDrain(row);
        case RowEvent::kReleaseFast:
          return SendTerm(row);
        case RowEvent::kReleaseNow:
          return SendKill(row, WorkerState::kDraining);
        case RowEvent::kDeadline:
          if (view.stop_step == StopStep::kNone) NoteBootTimeout(row);
          return SendKill(row, WorkerState::kStarting);
        case RowEvent::kAssign:
        case RowEvent::kAbort:
          return;
      }
      return;

    case WorkerState::kReady:
      switch (event) {
        case RowEvent::kSpawned:
          return SetPid(row, details.pid);
        case RowEvent::kExited:
          // Whatever it made of the signal.
          if (view.stop_step != StopStep::kNone) {
            return CountDeath(row, DeathCause::kHung, details.status);
          }
          if (details.status.success()) return BecomeDone(row);
          return CountDeath(row,
                            details.out_of_memory        ? DeathCause::kOutOfMemory
                            : details.status.signal != 0 ? DeathCause::kSignaled
                                                         : DeathCause::kExited,
                            details.status);
        case RowEvent::kRelease:
          return StartDrain(row);
        case RowEvent::kReleaseFast:
          return SendTerm(row);
        case RowEvent::kReleaseNow:
          return SendKill(row, WorkerState::kDraining);
        case RowEvent::kAbort:
          if (view.stop_step == StopStep::kNone) SendAbort(row, details);
          return;
        case RowEvent::kDeadline:
          if (view.stop_step != StopStep::kNone) return SendKill(row, WorkerState::kReady);
          return PassTest(row);
        case RowEvent::kAssign:
        case RowEvent::kSpawnFailed:
        case RowEvent::kReady:
          return;
      }
      return;

    case WorkerState::kDraining:
      switch (event) {
        case RowEvent::kSpawned:
          return SetPid(row, details.pid);
        case RowEvent::kSpawnFailed:
          if (view.pid == 0) Vacate(row);
          return;
        case RowEvent::kExited:
          return BecomeStopped(row, details.status);
        case RowEvent::kReleaseFast:
          if (view.stop_step == StopStep::kAsked) SendTerm(row);
          return;
        case RowEvent::kReleaseNow:
          if (view.stop_step != StopStep::kKillSent) SendKill(row, WorkerState::kDraining);
          return;
        case RowEvent::kDeadline:
          if (view.stop_step == StopStep::kAsked) return SendTerm(row);
          return SendKill(row, WorkerState::kDraining);
        case RowEvent::kAssign:
        case RowEvent::kRelease:
        case RowEvent::kReady:
        case RowEvent::kAbort:
          return;
      }
      return;

    case WorkerState::kBackoff:
    case WorkerState::kFailed:
      switch (event) {
        case RowEvent::kDeadline:
          return Retry(row);
        case RowEvent::kRelease:
        case RowEvent::kReleaseFast:
        case RowEvent::kReleaseNow:
          return GiveUpSlot(row);
        case RowEvent::kAssign:
        case RowEvent::kSpawned:
        case RowEvent::kSpawnFailed:
        case RowEvent::kReady:
        case RowEvent::kExited:
        case RowEvent::kAbort:
          return;
      }
      return;

    case WorkerState::kDone:
      switch (event) {
        case RowEvent::kRelease:
        case RowEvent::kReleaseFast:
        case RowEvent::kReleaseNow:
          return GiveUpSlot(row);
        case RowEvent::kAssign:
        case RowEvent::kSpawned:
        case RowEvent::kSpawnFailed:
        case RowEvent::kReady:
        case RowEvent::kExited:
        case RowEvent::kAbort:
        case RowEvent::kDeadline:
          return;
      }
      return;
  }
}

void PoolState::Enter(Row& row, WorkerState state, MonotonicTime deadline) {
  if (row.view.state != state) row.view.since = now_;
  row.view.state = state;
  row.view.deadline = deadline;
  row.extended = false;
  if (state != WorkerState::kReady) row.soaking = false;
  if (!HasProcess(state)) {
    row.view.pid = 0;
    row.view.stop_step = StopStep::kNone;
    row.view.leader = false;
    row.leader_revoked = false;
    row.replace_reason.clear();
  }
  if (state == WorkerState::kEmpty) {
    row.view.role = RowRole::kHolder;
    // Whoever assigns the slot again asked for a new start.
    row.backoff.Reset();
    row.spawn_backoff.Reset();
    row.deaths.clear();
    row.view.on_trial = false;
  }
  Touch(row);
}

void PoolState::StartWorker(Row& row, uint64_t generation) {
  SlotView& view = row.view;
  view.incarnation = ++history_[view.slot].incarnation;
  ShowHistory(view);
  view.generation = generation;
  view.pid = 0;
  view.stop_step = StopStep::kNone;
  view.started_at = now_;
  view.ready_at = MonotonicTime::Infinite();
  Enter(row, WorkerState::kStarting, now_ + BootTimeout(generation));
  actions_.push_back(SpawnWorker{view.slot, view.incarnation, view.row, generation});
}

void PoolState::SetPid(Row& row, pid_t pid) {
  if (row.view.pid != 0) return;
  row.view.pid = pid;
  row.spawn_backoff.Reset();
  Touch(row);
  Note(PoolNote::Type::kWorkerStarting, PoolNote::Severity::kInfo,
       absl::StrCat(Name(row), " started"), &row, row.view.deadline - now_);
}

void PoolState::BecomeReady(Row& row) {
  row.view.ready_at = now_;
  const bool soak = pool_.restart.phase == RestartPhase::kRunning && OfNewGeneration(row) &&
                    restart_.soak > absl::ZeroDuration();
  Enter(row, WorkerState::kReady, soak ? now_ + restart_.soak : TrialEnd(row));
  row.soaking = soak;
  Note(PoolNote::Type::kWorkerReady, PoolNote::Severity::kInfo,
       absl::StrCat(Name(row), " is ready after ", In(now_ - row.view.started_at)), &row);
  if (row.view.role == RowRole::kSuccessor && !soak) TakeOver(row);
}

void PoolState::BecomeDone(Row& row) {
  RecordExit(row, ExitStatus::Exited(0), DeathCause::kNone);
  if (row.view.role == RowRole::kSuccessor) {
    return SuccessorLost(row, absl::StrCat(Name(row), " exited before it took its slot over"));
  }
  Note(PoolNote::Type::kWorkerDone, PoolNote::Severity::kInfo,
       absl::StrCat(Name(row), " exited normally and is not restarted"), &row);
  if (Row* successor = SuccessorOf(row.view.slot)) {
    SetRole(*successor, RowRole::kHolder);
    return Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  }
  Enter(row, WorkerState::kDone, MonotonicTime::Infinite());
}

void PoolState::BecomeStopped(Row& row, const ExitStatus& status) {
  RecordExit(row, status, DeathCause::kNone);
  Note(PoolNote::Type::kWorkerStopped, PoolNote::Severity::kInfo,
       absl::StrCat(Name(row), " stopped as asked: ", status.ToString(), " after ",
                    In(now_ - row.view.since)),
       &row);
  Vacate(row);
}

void PoolState::Vacate(Row& row) {
  const bool refill = row.view.role == RowRole::kRefill && pool_.shutdown == ShutdownMode::kNone;
  Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
  if (refill) StartWorker(row, TargetGeneration());
}

void PoolState::StartDrain(Row& row) {
  // Killed for its boot timeout or given up already: nothing is left to ask for.
  if (row.view.stop_step != StopStep::kNone) {
    return Enter(row, WorkerState::kDraining, row.view.deadline);
  }
  row.view.stop_step = StopStep::kAsked;
  Enter(row, WorkerState::kDraining, now_ + options_.drain.grace);
  actions_.push_back(
      DrainWorker{row.view.slot, row.view.incarnation, row.view.row,
                  MakeDrainRequest(options_.drain, pool_.shutdown != ShutdownMode::kNone)});
  Note(PoolNote::Type::kDrainStarted, PoolNote::Severity::kInfo,
       absl::StrCat(Name(row), " is asked to stop; SIGTERM in ", In(options_.drain.grace)), &row,
       options_.drain.grace);
}

void PoolState::SendTerm(Row& row) {
  if (row.view.stop_step == StopStep::kKillSent || row.view.stop_step == StopStep::kAbortSent) {
    return Enter(row, WorkerState::kDraining, row.view.deadline);
  }
  row.view.stop_step = StopStep::kTermSent;
  Enter(row, WorkerState::kDraining, now_ + options_.drain.kill_after);
  actions_.push_back(SignalWorker{row.view.slot, row.view.incarnation, row.view.row, SIGTERM});
  Note(PoolNote::Type::kTermSent, PoolNote::Severity::kWarning,
       absl::StrCat("SIGTERM to ", Name(row), "; SIGKILL in ", In(options_.drain.kill_after)), &row,
       options_.drain.kill_after);
}

void PoolState::SendKill(Row& row, WorkerState state) {
  const bool again = row.view.stop_step == StopStep::kKillSent;
  row.view.stop_step = StopStep::kKillSent;
  Enter(row, state, now_ + options_.drain.kill_after);
  actions_.push_back(SignalWorker{row.view.slot, row.view.incarnation, row.view.row, SIGKILL});
  Note(PoolNote::Type::kKillSent, PoolNote::Severity::kWarning,
       absl::StrCat("SIGKILL to ", Name(row), again ? " again: it is still there" : ""), &row,
       options_.drain.kill_after);
}

void PoolState::SendAbort(Row& row, const EventDetails& details) {
  row.view.stop_step = StopStep::kAbortSent;
  Enter(row, WorkerState::kReady, now_ + details.grace);
  actions_.push_back(
      SignalWorker{row.view.slot, row.view.incarnation, row.view.row, details.signo});
  Note(PoolNote::Type::kAborted, PoolNote::Severity::kError,
       absl::StrCat(Name(row), " is given up: ", details.error, "; SIGKILL in ", In(details.grace)),
       &row, details.grace);
}

void PoolState::NoteBootTimeout(Row& row) {
  Note(PoolNote::Type::kBootTimeout, PoolNote::Severity::kWarning,
       absl::StrCat(Name(row), " was not ready within ", In(now_ - row.view.started_at)), &row);
}

MonotonicTime PoolState::TrialEnd(const Row& row) const {
  return row.view.on_trial ? row.view.ready_at + options_.backoff.healthy_after
                           : MonotonicTime::Infinite();
}

// A worker that had to stay READY for a while has done so.
void PoolState::PassTest(Row& row) {
  row.soaking = false;
  if (row.view.on_trial && TrialEnd(row) <= now_) {
    row.view.on_trial = false;
    row.deaths.clear();
    row.backoff.Reset();
    Note(PoolNote::Type::kBreakerClosed, PoolNote::Severity::kInfo,
         absl::StrCat(Name(row), " passed its trial of ", In(options_.backoff.healthy_after)),
         &row);
  }
  Enter(row, WorkerState::kReady, TrialEnd(row));
  if (row.view.role == RowRole::kSuccessor) TakeOver(row);
}

void PoolState::GiveUpSlot(Row& row) {
  Note(PoolNote::Type::kSlotReleased, PoolNote::Severity::kInfo,
       absl::StrCat("slot ", row.view.slot, " is no longer wanted; it was ",
                    ToAbsl(WorkerStateName(row.view.state))),
       &row);
  Enter(row, WorkerState::kEmpty, MonotonicTime::Infinite());
}

void PoolState::ShowHistory(int slot) {
  for (Row& row : rows_) {
    if (row.view.slot != slot) continue;
    ShowHistory(row.view);
    Touch(row);
  }
}

void PoolState::SetRole(Row& row, RowRole role) {
  row.view.role = role;
  Touch(row);
}

void PoolState::Touch(Row& row) { row.revision = ++revision_; }

std::string PoolState::Name(const Row& row) {
  return row.view.pid == 0 ? absl::StrCat("worker ", row.view.slot)
                           : absl::StrCat("worker ", row.view.slot, " (pid ", row.view.pid, ")");
}

void PoolState::Note(PoolNote::Type type, PoolNote::Severity severity, std::string text,
                     const Row* row, absl::Duration time_left) {
  PoolNote note{.severity = severity,
                .type = type,
                .generation = pool_.generation,
                .time_left = time_left,
                .text = std::move(text)};
  if (row != nullptr) {
    note.slot = row->view.slot;
    note.incarnation = row->view.incarnation;
    note.generation = row->view.generation;
    note.pid = row->view.pid;
  }
  actions_.push_back(std::move(note));
}

void PoolState::NoteRequest(const std::string& actor, PoolNote::Type type,
                            PoolNote::Severity severity, std::string text, const Row* row) {
  Note(type, severity, std::move(text), row);
  std::get<PoolNote>(actions_.back()).actor = actor;
}

std::string PoolState::By(const std::string& actor) {
  return actor.empty() ? std::string() : absl::StrCat(" by ", actor);
}

std::string PoolState::In(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

}  // namespace squall
