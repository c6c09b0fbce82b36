#include "squall/process/testing/pool_model.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/process/worker_state.h"

namespace squall::testing {

using Life = ModelProcess::Life;

PoolModel::PoolModel(const PoolOptions& options, uint64_t seed)
    : options_(options),
      pool_(options, seed),
      now_(MonotonicTime() + absl::Hours(1)),
      incarnations_(static_cast<size_t>(options.max_workers)) {}

void PoolModel::Fail(const std::string& what) {
  if (error_.empty()) error_ = what;
}

void PoolModel::AdvanceToDeadline() {
  if (!pool_.next_deadline().is_infinite()) now_ = std::max(now_, pool_.next_deadline());
}

ModelProcess* PoolModel::Find(int slot, uint64_t incarnation) {
  for (ModelProcess& process : processes_) {
    if (process.slot == slot && process.incarnation == incarnation) return &process;
  }
  return nullptr;
}

const SlotView* PoolModel::RowOf(int slot, uint64_t incarnation) const {
  for (int i = 0; i < pool_.rows(); ++i) {
    const SlotView& row = pool_.row(i);
    if (row.slot == slot && row.incarnation == incarnation && HasProcess(row.state)) return &row;
  }
  return nullptr;
}

bool PoolModel::HasFailed(uint64_t generation) const {
  return std::count(failed_generations_.begin(), failed_generations_.end(), generation) != 0;
}

void PoolModel::Forget(int slot, uint64_t incarnation) {
  processes_.erase(std::remove_if(processes_.begin(), processes_.end(),
                                  [&](const ModelProcess& process) {
                                    return process.slot == slot &&
                                           process.incarnation == incarnation;
                                  }),
                   processes_.end());
}

// ---------------------------------------------------------------------------------------------------
// The kernel.

PoolEvent PoolModel::Fork(ModelProcess& process) {
  process.life = Life::kAlive;
  process.pid = ++last_pid_;
  return WorkerSpawned{process.slot, process.incarnation, process.pid};
}

PoolEvent PoolModel::FailFork(ModelProcess& process) {
  process.life = Life::kNotForked;
  return WorkerSpawnFailed{process.slot, process.incarnation, "fork: EAGAIN"};
}

PoolEvent PoolModel::Die(ModelProcess& process, const ExitStatus& status) {
  process.life = Life::kDead;
  process.leader = false;
  process.status = status;
  return WorkerExited{process.slot, process.incarnation, status};
}

std::optional<PoolEvent> PoolModel::NextWithoutFaults() {
  for (ModelProcess& process : processes_) {
    const int slot = process.slot;
    const uint64_t incarnation = process.incarnation;
    switch (process.life) {
      case Life::kAsked:
        return Fork(process);
      case Life::kNotForked:
        return WorkerSpawnFailed{slot, incarnation, "fork: EAGAIN"};
      case Life::kDead:
        return WorkerExited{slot, incarnation, process.status};
      case Life::kAlive:
        if (!process.spawn_told) return WorkerSpawned{slot, incarnation, process.pid};
        if (process.asked_to_stop()) {
          return Die(process, process.drained.is_infinite() ? ExitStatus::Killed(SIGKILL)
                                                            : ExitStatus::Exited(0));
        }
        if (process.leader && process.leader_revoked) return LeaderReleased{slot, incarnation};
        if (!process.ready_told) return WorkerReady{slot, incarnation};
        break;
    }
  }
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------------
// One event.

std::vector<PoolAction> PoolModel::Send(const PoolEvent& event) {
  if (!error_.empty()) return {};
  if (trace_) std::cerr << (now_ - MonotonicTime()) << " event " << event.index() << "\n";
  const PoolView before = pool_.pool();
  const uint64_t revision = pool_.revision();
  std::vector<SlotView> rows;
  rows.reserve(static_cast<size_t>(pool_.rows()));
  for (int i = 0; i < pool_.rows(); ++i) rows.push_back(pool_.row(i));
  if (!pool_.finished()) Expect(event);
  std::vector<PoolAction> actions = pool_.Step(event, now_);
  for (const PoolAction& action : actions) {
    if (finished_) Fail("an action after FinishPool");
    std::visit([this](const auto& a) { Perform(a); }, action);
  }
  CheckRevisions(revision, before, rows);
  CheckTotals(before, rows);
  CheckStops(event, before, rows);
  CheckTakenOut(rows);
  if (!finished_ || !actions.empty()) CheckResults(event, before, actions);
  if (!finished_) {
    CheckRoles();
    CheckDeadlines();
  }
  return actions;
}

void PoolModel::Expect(const PoolEvent& event) {
  if (const auto* spawned = std::get_if<WorkerSpawned>(&event)) {
    if (auto* process = Find(spawned->slot, spawned->incarnation)) process->spawn_told = true;
  } else if (const auto* failed = std::get_if<WorkerSpawnFailed>(&event)) {
    const SlotView* row = RowOf(failed->slot, failed->incarnation);
    if (row != nullptr && row->state == WorkerState::kStarting) ++spawn_failures_;
    Forget(failed->slot, failed->incarnation);
  } else if (const auto* ready = std::get_if<WorkerReady>(&event)) {
    if (auto* process = Find(ready->slot, ready->incarnation)) process->ready_told = true;
  } else if (const auto* exited = std::get_if<WorkerExited>(&event)) {
    ExpectExit(*exited);
  } else if (const auto* kill = std::get_if<KillWorker>(&event)) {
    if (auto* process = Find(kill->slot, kill->incarnation)) process->kill_requested = true;
  } else if (const auto* released = std::get_if<LeaderReleased>(&event)) {
    if (auto* process = Find(released->slot, released->incarnation)) process->leader = false;
  } else if (const auto* restart = std::get_if<RestartRequest>(&event)) {
    next_restart_ = restart->options.value_or(options_.restart);
  } else if (const auto* shutdown = std::get_if<ShutdownRequest>(&event)) {
    ExpectShutdown(*shutdown);
  }
}

void PoolModel::ExpectExit(const WorkerExited& event) {
  const ModelProcess* process = Find(event.slot, event.incarnation);
  if (process == nullptr) return;
  // A worker that was released while it was being killed for its boot timeout, or as hung, got no
  // action more.
  const SlotView* row = RowOf(event.slot, event.incarnation);
  const bool requested = row == nullptr || row->state == WorkerState::kDraining ||
                         !process->drained.is_infinite() || !process->term.is_infinite() ||
                         process->kill_requested || shutdown_ || gave_up_;
  if (!requested && (!event.status.success() || !process->abort.is_infinite())) {
    ++crashes_;
    gave_up_ = options_.max_restarts.has_value() &&
               crashes_ > static_cast<uint64_t>(*options_.max_restarts);
  }
  Forget(event.slot, event.incarnation);
}

void PoolModel::ExpectShutdown(const ShutdownRequest& event) {
  // The third request, or the second when the first was a fast one, kills.
  if (fast_ || event.mode == ShutdownMode::kKill) kill_requested_ = true;
  if (shutdown_ || event.mode >= ShutdownMode::kFast) fast_ = true;
  shutdown_ = true;
}

// ---------------------------------------------------------------------------------------------------
// Actions.

void PoolModel::Perform(const SpawnWorker& spawn) {
  const SlotView& row = pool_.row(spawn.row);
  int alive = 0;
  int in_slot = 0;
  for (const ModelProcess& process : processes_) {
    if (!process.may_live()) continue;
    ++alive;
    if (process.row == spawn.row) Fail("two live processes in a row");
    if (process.slot != spawn.slot) continue;
    ++in_slot;
    const SlotView* other = RowOf(process.slot, process.incarnation);
    const bool leaving = other != nullptr && other->role == RowRole::kLeaving;
    if (!leaving && row.role != RowRole::kSuccessor) Fail("two live processes in a slot");
  }
  if (in_slot > 1) Fail("three live processes in a slot");
  if (alive >= options_.max_workers + options_.surge_slots) Fail("more processes than rows");
  if (row.slot != spawn.slot || row.generation != spawn.generation) Fail("another row's start");
  if (shutdown_ || gave_up_) Fail("a start during a shutdown");
  if (HasFailed(spawn.generation)) Fail("a worker of a generation that failed was started");
  if (row.role == RowRole::kSuccessor && pool_.pool().restart.runs()) {
    int beyond = 0;
    for (int i = 0; i < pool_.rows(); ++i) {
      const RowRole role = pool_.row(i).role;
      beyond += role == RowRole::kSuccessor || role == RowRole::kLeaving;
    }
    // Every fourth worker that is wanted, begun with the first one.
    int allowed = 0;
    for (int i = 0; i < std::max(1, pool_.pool().desired); i += 4) ++allowed;
    if (beyond > restart_.max_surge.value_or(allowed)) Fail("a successor beyond max_surge");
  }
  uint64_t& last = incarnations_[static_cast<size_t>(spawn.slot)];
  if (spawn.incarnation <= last) Fail("an incarnation that does not grow");
  last = spawn.incarnation;

  ModelProcess process;
  process.slot = spawn.slot;
  process.row = spawn.row;
  process.incarnation = spawn.incarnation;
  process.boot_end = now_ + (spawn.generation == restart_generation_
                                 ? restart_.ready_timeout.value_or(options_.boot_timeout)
                                 : options_.boot_timeout);
  if (row.state == WorkerState::kStarting && row.deadline != process.boot_end) {
    Fail("a boot timeout that nobody asked for");
  }
  processes_.push_back(process);
}

void PoolModel::Perform(const DrainWorker& drain) {
  ModelProcess* process = Find(drain.slot, drain.incarnation);
  if (process == nullptr) return Fail("a drain for nobody");
  if (process->asked_to_stop()) Fail("asked to drain after a firmer step");
  if (drain.request.pool_ends != shutdown_) Fail("a worker was told wrongly whether the pool ends");
  process->drained = now_;
}

void PoolModel::Perform(const SignalWorker& signal) {
  ModelProcess* process = Find(signal.slot, signal.incarnation);
  if (process == nullptr) return Fail("a signal for nobody");
  const auto passed = [&](MonotonicTime since, absl::Duration wait) {
    return !since.is_infinite() && now_ - since >= wait;
  };
  if (signal.signo == SIGTERM) {
    if (!process->term.is_infinite()) Fail("TERM twice");
    if (!process->kill.is_infinite() || !process->abort.is_infinite()) Fail("TERM after KILL");
    if (!passed(process->drained, options_.drain.grace) && !fast_ && !gave_up_) {
      Fail("TERM before the grace period was over");
    }
    process->term = now_;
  } else if (signal.signo == SIGABRT) {
    if (process->asked_to_stop()) Fail("ABRT for a worker that is being stopped");
    process->abort = now_;
  } else {
    const bool due = passed(process->abort, kAbortGrace) ||
                     passed(process->term, options_.drain.kill_after) ||
                     (!process->ready_told && now_ >= process->boot_end) ||
                     passed(process->kill, options_.drain.kill_after);
    if (!due && !kill_requested_ && !process->kill_requested) Fail("KILL before the ladder");
    process->kill = std::min(process->kill, now_);
  }
}

void PoolModel::Perform(const SetLeader& action) {
  ModelProcess* process = Find(action.slot, action.incarnation);
  if (process == nullptr) return Fail("the leader role for nobody");
  if (!action.leader) {
    process->leader_revoked = true;
    return;
  }
  for (const ModelProcess& other : processes_) {
    if (other.leader && other.life == Life::kAlive) Fail("two leaders");
  }
  process->leader = process->may_live();
}

void PoolModel::Perform(const ResizeResult& result) {
  if ((result.code == absl::StatusCode::kOk) != result.message.empty()) Fail("a wrong message");
}

void PoolModel::Perform(const RestartResult& result) {
  if ((result.code == absl::StatusCode::kOk) != result.message.empty()) Fail("a wrong message");
}

void PoolModel::Perform(const PoolNote& note) {
  seen_.set(static_cast<size_t>(note.type));
  if (trace_) std::cerr << (now_ - MonotonicTime()) << " " << note.text << "\n";
  if (note.text.empty()) Fail("a note without words");
  if (note.time_left < absl::ZeroDuration()) Fail("a time left below zero");
  if (note.type == PoolNote::Type::kReplaceWanted) {
    if (auto* process = Find(note.slot, note.incarnation)) process->replace_wanted = true;
  } else if (note.type == PoolNote::Type::kReplaceCancelled) {
    if (auto* process = Find(note.slot, note.incarnation)) process->replace_wanted = false;
  } else if (note.type == PoolNote::Type::kRestartStarted) {
    restart_ = next_restart_;
    restart_generation_ = note.generation;
  } else if (note.type == PoolNote::Type::kRestartFailed) {
    failed_generations_.push_back(note.generation);
  } else if (note.type == PoolNote::Type::kRestartEnded) {
    restart_generation_ = 0;
  }
}

void PoolModel::Perform(const FinishPool& finish) {
  finished_ = true;
  for (const ModelProcess& process : processes_) {
    if (process.may_live()) Fail("finished with a living process");
  }
  if (finish.exit_code != (gave_up_ ? 1 : 0)) Fail("wrong exit code");
}

// ---------------------------------------------------------------------------------------------------
// Liveness.

void PoolModel::Converge() {
  const MonotonicTime limit = now_ + absl::Hours(2);
  for (int i = 0; i < 2000 && error_.empty() && !pool_.finished(); ++i) {
    if (const std::optional<PoolEvent> event = NextWithoutFaults()) {
      Send(*event);
      continue;
    }
    if (pool_.next_deadline().is_infinite()) return CheckRest();
    AdvanceToDeadline();
    if (now_ > limit) return Fail("the target was not reached in time");
    Send(PoolTick{});
  }
  if (!pool_.finished()) Fail("the target was not reached");
}

}  // namespace squall::testing
