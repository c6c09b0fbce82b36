// The part of PoolState that is about one slot: its state machine.
#include <algorithm>
#include <csignal>
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

// The slot's state machine. docs/worker-lifecycle.md has it as a diagram and as a table.

void PoolState::Transition(Slot& slot, SlotEvent event, const EventDetails& details) {
  SlotView& view = slot.view;
  switch (view.state) {
    case WorkerState::kEmpty:
      switch (event) {
        case SlotEvent::kAssign:
          return StartWorker(slot);
        case SlotEvent::kRelease:
        case SlotEvent::kReleaseFast:
        case SlotEvent::kReleaseNow:
        case SlotEvent::kSpawned:
        case SlotEvent::kSpawnFailed:
        case SlotEvent::kReady:
        case SlotEvent::kExited:
        case SlotEvent::kDeadline:
          return;
      }
      return;

    case WorkerState::kStarting:
      switch (event) {
        case SlotEvent::kSpawned:
          return SetPid(slot, details.pid);
        case SlotEvent::kSpawnFailed:
          if (view.pid == 0) RetrySpawn(slot, details.error);
          return;
        case SlotEvent::kReady:
          // After its KILL a READY comes too late: the process is as good as dead.
          if (view.stop_step == StopStep::kNone) BecomeReady(slot);
          return;
        case SlotEvent::kExited:
          if (details.status.success()) return BecomeDone(slot);
          return CountDeath(slot,
                            view.stop_step == StopStep::kKillSent ? DeathCause::kBootTimeout
                                                                  : DeathCause::kBootFailure,
                            details.status);
        case SlotEvent::kRelease:
          return StartDrain(slot);
        case SlotEvent::kReleaseFast:
          return SendTerm(slot);
        case SlotEvent::kReleaseNow:
          return SendKill(slot, WorkerState::kDraining);
        case SlotEvent::kDeadline:
          if (view.stop_step == StopStep::kNone) NoteBootTimeout(slot);
          return SendKill(slot, WorkerState::kStarting);
        case SlotEvent::kAssign:
          return;
      }
      return;

    case WorkerState::kReady:
      switch (event) {
        case SlotEvent::kSpawned:
          return SetPid(slot, details.pid);
        case SlotEvent::kExited:
          if (details.status.success()) return BecomeDone(slot);
          return CountDeath(
              slot, details.status.signal != 0 ? DeathCause::kSignaled : DeathCause::kExited,
              details.status);
        case SlotEvent::kRelease:
          return StartDrain(slot);
        case SlotEvent::kReleaseFast:
          return SendTerm(slot);
        case SlotEvent::kReleaseNow:
          return SendKill(slot, WorkerState::kDraining);
        case SlotEvent::kDeadline:
          return CloseBreaker(slot);
        case SlotEvent::kAssign:
        case SlotEvent::kSpawnFailed:
        case SlotEvent::kReady:
          return;
      }
      return;

    case WorkerState::kDraining:
      switch (event) {
        case SlotEvent::kSpawned:
          return SetPid(slot, details.pid);
        case SlotEvent::kSpawnFailed:
          if (view.pid == 0) Enter(slot, WorkerState::kEmpty, MonotonicTime::Infinite());
          return;
        case SlotEvent::kExited:
          return BecomeStopped(slot, details.status);
        case SlotEvent::kReleaseFast:
          if (view.stop_step == StopStep::kAsked) SendTerm(slot);
          return;
        case SlotEvent::kReleaseNow:
          if (view.stop_step != StopStep::kKillSent) SendKill(slot, WorkerState::kDraining);
          return;
        case SlotEvent::kDeadline:
          if (view.stop_step == StopStep::kAsked) return SendTerm(slot);
          return SendKill(slot, WorkerState::kDraining);
        case SlotEvent::kAssign:
        case SlotEvent::kRelease:
        case SlotEvent::kReady:
          return;
      }
      return;

    case WorkerState::kBackoff:
    case WorkerState::kFailed:
      switch (event) {
        case SlotEvent::kDeadline:
          return Retry(slot);
        case SlotEvent::kRelease:
        case SlotEvent::kReleaseFast:
        case SlotEvent::kReleaseNow:
          return GiveUpSlot(slot);
        case SlotEvent::kAssign:
        case SlotEvent::kSpawned:
        case SlotEvent::kSpawnFailed:
        case SlotEvent::kReady:
        case SlotEvent::kExited:
          return;
      }
      return;

    case WorkerState::kDone:
      switch (event) {
        case SlotEvent::kRelease:
        case SlotEvent::kReleaseFast:
        case SlotEvent::kReleaseNow:
          return GiveUpSlot(slot);
        case SlotEvent::kAssign:
        case SlotEvent::kSpawned:
        case SlotEvent::kSpawnFailed:
        case SlotEvent::kReady:
        case SlotEvent::kExited:
        case SlotEvent::kDeadline:
          return;
      }
      return;
  }
}

void PoolState::Enter(Slot& slot, WorkerState state, MonotonicTime deadline) {
  if (slot.view.state != state) slot.view.since = now_;
  slot.view.state = state;
  slot.view.deadline = deadline;
  slot.extended = false;
  if (!HasProcess(state)) {
    slot.view.pid = 0;
    slot.view.stop_step = StopStep::kNone;
  }
  if (state == WorkerState::kEmpty) {
    // Whoever assigns the slot again asked for a new start.
    slot.backoff.Reset();
    slot.spawn_backoff.Reset();
    slot.deaths.clear();
    slot.view.on_trial = false;
  }
  Touch(slot);
}

void PoolState::StartWorker(Slot& slot) {
  SlotView& view = slot.view;
  ++view.incarnation;
  view.generation = pool_.generation;
  view.pid = 0;
  view.stop_step = StopStep::kNone;
  view.started_at = now_;
  view.ready_at = MonotonicTime::Infinite();
  Enter(slot, WorkerState::kStarting, now_ + options_.boot_timeout);
  actions_.push_back(SpawnWorker{view.slot, view.incarnation});
}

void PoolState::SetPid(Slot& slot, pid_t pid) {
  if (slot.view.pid != 0) return;
  slot.view.pid = pid;
  slot.spawn_backoff.Reset();
  Touch(slot);
  Note(PoolNote::Type::kWorkerStarting, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " started"), &slot, slot.view.deadline - now_);
}

void PoolState::BecomeReady(Slot& slot) {
  slot.view.ready_at = now_;
  Enter(slot, WorkerState::kReady,
        slot.view.on_trial ? now_ + options_.backoff.healthy_after : MonotonicTime::Infinite());
  Note(PoolNote::Type::kWorkerReady, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " is ready after ", In(now_ - slot.view.started_at)), &slot);
}

void PoolState::BecomeDone(Slot& slot) {
  RecordExit(slot, ExitStatus::Exited(0), DeathCause::kNone);
  Note(PoolNote::Type::kWorkerDone, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " exited normally and is not restarted"), &slot);
  Enter(slot, WorkerState::kDone, MonotonicTime::Infinite());
}

void PoolState::BecomeStopped(Slot& slot, const ExitStatus& status) {
  RecordExit(slot, status, DeathCause::kNone);
  Note(PoolNote::Type::kWorkerStopped, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " stopped as asked: ", status.ToString(), " after ",
                    In(now_ - slot.view.since)),
       &slot);
  Enter(slot, WorkerState::kEmpty, MonotonicTime::Infinite());
}

void PoolState::StartDrain(Slot& slot) {
  // Killed for its boot timeout already: nothing is left to ask for.
  if (slot.view.stop_step == StopStep::kKillSent) {
    return Enter(slot, WorkerState::kDraining, slot.view.deadline);
  }
  slot.view.stop_step = StopStep::kAsked;
  Enter(slot, WorkerState::kDraining, now_ + options_.drain.grace);
  actions_.push_back(
      DrainWorker{slot.view.slot, slot.view.incarnation,
                  MakeDrainRequest(options_.drain, pool_.shutdown != ShutdownMode::kNone)});
  Note(PoolNote::Type::kDrainStarted, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " is asked to stop; SIGTERM in ", In(options_.drain.grace)), &slot,
       options_.drain.grace);
}

void PoolState::SendTerm(Slot& slot) {
  if (slot.view.stop_step == StopStep::kKillSent) {
    return Enter(slot, WorkerState::kDraining, slot.view.deadline);
  }
  slot.view.stop_step = StopStep::kTermSent;
  Enter(slot, WorkerState::kDraining, now_ + options_.drain.kill_after);
  actions_.push_back(SignalWorker{slot.view.slot, slot.view.incarnation, SIGTERM});
  Note(PoolNote::Type::kTermSent, PoolNote::Severity::kWarning,
       absl::StrCat("SIGTERM to ", Name(slot), "; SIGKILL in ", In(options_.drain.kill_after)),
       &slot, options_.drain.kill_after);
}

void PoolState::SendKill(Slot& slot, WorkerState state) {
  const bool again = slot.view.stop_step == StopStep::kKillSent;
  slot.view.stop_step = StopStep::kKillSent;
  Enter(slot, state, now_ + options_.drain.kill_after);
  actions_.push_back(SignalWorker{slot.view.slot, slot.view.incarnation, SIGKILL});
  Note(PoolNote::Type::kKillSent, PoolNote::Severity::kWarning,
       absl::StrCat("SIGKILL to ", Name(slot), again ? " again: it is still there" : ""), &slot,
       options_.drain.kill_after);
}

void PoolState::NoteBootTimeout(Slot& slot) {
  Note(PoolNote::Type::kBootTimeout, PoolNote::Severity::kWarning,
       absl::StrCat(Name(slot), " was not ready within ", In(options_.boot_timeout)), &slot);
}

void PoolState::RecordExit(Slot& slot, const ExitStatus& status, DeathCause cause) {
  slot.view.last_exit = LastExit{.status = status,
                                 .cause = cause,
                                 .pid = slot.view.pid,
                                 .incarnation = slot.view.incarnation,
                                 .at = now_};
}

void PoolState::CountDeath(Slot& slot, DeathCause cause, const ExitStatus& status) {
  SlotView& view = slot.view;
  RecordExit(slot, status, cause);
  ++view.restarts;
  ++view.deaths[static_cast<size_t>(cause)];
  ++pool_.restarts;
  const std::string what =
      absl::StrCat(Name(slot), " was ", status.signal == 0 ? "lost: it " : "", status.ToString(),
                   " (", ToAbsl(DeathCauseName(cause)), ")");

  if (options_.max_restarts.has_value() &&
      pool_.restarts > static_cast<uint64_t>(*options_.max_restarts)) {
    Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning, what, &slot);
    Note(PoolNote::Type::kGivingUp, PoolNote::Severity::kError,
         absl::StrCat("Too many child restarts, giving up: more than ", *options_.max_restarts));
    Enter(slot, WorkerState::kEmpty, MonotonicTime::Infinite());
    exit_code_ = EXIT_FAILURE;
    pool_.shutdown = ShutdownMode::kFast;
    return ReleaseAll(SlotEvent::kReleaseFast);
  }

  if (!view.ready_at.is_infinite() && now_ - view.ready_at >= options_.backoff.healthy_after) {
    slot.backoff.Reset();
    if (view.on_trial) {
      view.on_trial = false;
      slot.deaths.clear();
    }
  }
  slot.deaths.push_back(now_);
  while (now_ - slot.deaths.front() > options_.breaker.window) slot.deaths.pop_front();

  const bool open =
      !options_.max_restarts.has_value() &&
      (view.on_trial || slot.deaths.size() > static_cast<size_t>(options_.breaker.deaths));
  if (open) {
    Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning, what, &slot);
    Note(PoolNote::Type::kBreakerOpen, PoolNote::Severity::kError,
         absl::StrCat(
             "slot ", view.slot, " failed: ",
             view.on_trial
                 ? std::string("its trial worker died, too")
                 : absl::StrCat(slot.deaths.size(), " deaths within ", In(options_.breaker.window)),
             " (in all ", Tally(view), "); next trial in ", In(options_.breaker.cool_down)),
         &slot, options_.breaker.cool_down);
    return Enter(slot, WorkerState::kFailed, now_ + options_.breaker.cool_down);
  }

  const absl::Duration delay = slot.backoff.Next(random_);
  Note(PoolNote::Type::kWorkerDied, PoolNote::Severity::kWarning,
       absl::StrCat(what, ", restarting",
                    delay > absl::ZeroDuration() ? absl::StrCat(" in ", In(delay)) : ""),
       &slot, delay);
  if (delay <= absl::ZeroDuration()) return StartWorker(slot);
  Enter(slot, WorkerState::kBackoff, now_ + delay);
}

void PoolState::RetrySpawn(Slot& slot, const std::string& error) {
  ++slot.view.spawn_failures;
  ++pool_.spawn_failures;
  const absl::Duration delay = slot.spawn_backoff.Next(random_);
  Note(PoolNote::Type::kSpawnFailed, PoolNote::Severity::kWarning,
       absl::StrCat("cannot start worker ", slot.view.slot, ": ", error, "; next attempt in ",
                    In(delay)),
       &slot, delay);
  Enter(slot, WorkerState::kBackoff, now_ + delay);
}

void PoolState::Retry(Slot& slot) {
  if (slot.view.state == WorkerState::kFailed) {
    slot.view.on_trial = true;
    Note(PoolNote::Type::kBreakerTrial, PoolNote::Severity::kInfo,
         absl::StrCat("slot ", slot.view.slot, " gets a trial worker"), &slot);
  }
  StartWorker(slot);
}

void PoolState::CloseBreaker(Slot& slot) {
  slot.view.on_trial = false;
  slot.deaths.clear();
  slot.backoff.Reset();
  Note(PoolNote::Type::kBreakerClosed, PoolNote::Severity::kInfo,
       absl::StrCat(Name(slot), " passed its trial of ", In(options_.backoff.healthy_after)),
       &slot);
  Enter(slot, WorkerState::kReady, MonotonicTime::Infinite());
}

void PoolState::GiveUpSlot(Slot& slot) {
  Note(PoolNote::Type::kSlotReleased, PoolNote::Severity::kInfo,
       absl::StrCat("slot ", slot.view.slot, " is no longer wanted; it was ",
                    ToAbsl(WorkerStateName(slot.view.state))),
       &slot);
  Enter(slot, WorkerState::kEmpty, MonotonicTime::Infinite());
}

void PoolState::Touch(Slot& slot) { slot.revision = ++revision_; }

std::string PoolState::Name(const Slot& slot) {
  return slot.view.pid == 0 ? absl::StrCat("worker ", slot.view.slot)
                            : absl::StrCat("worker ", slot.view.slot, " (pid ", slot.view.pid, ")");
}

void PoolState::Note(PoolNote::Type type, PoolNote::Severity severity, std::string text,
                     const Slot* slot, absl::Duration time_left) {
  PoolNote note{
      .severity = severity, .type = type, .time_left = time_left, .text = std::move(text)};
  if (slot != nullptr) {
    note.slot = slot->view.slot;
    note.incarnation = slot->view.incarnation;
    note.pid = slot->view.pid;
  }
  actions_.push_back(std::move(note));
}

std::string PoolState::In(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

}  // namespace squall
