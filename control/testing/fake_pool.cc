#include "squall/control/testing/fake_pool.h"

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/process/control_link.h"

namespace squall::testing {

FakePool::FakePool(const PoolOptions& options)
    : config_(ConfigOf(options, {}, {}, {})),
      state_(options, /*seed=*/1),
      scoreboard_(Scoreboard::Create(options.max_workers + options.surge_slots).value()) {
  {
    std::lock_guard lock(mutex_);
    scoreboard_.PublishConfig(config_);
    Step(PoolStart{});
  }
  MakeAllReady();
}

void FakePool::ShowAutoscaler(const AutoscalerView& view) {
  {
    std::lock_guard lock(mutex_);
    scoreboard_.PublishAutoscaler(view);
  }
  Changed();
}

PoolSnapshot FakePool::Read() {
  std::lock_guard lock(mutex_);
  return scoreboard_.Read(Clock::Real().Now());
}

void FakePool::Send(const LinkRequest& request, Done done) {
  std::optional<LinkReply> reply;
  {
    std::unique_lock lock(mutex_);
    last_command_ = request;
    if (unreachable_) {
      lock.unlock();
      done(absl::UnavailableError("the master did not answer within 1s"));
      return;
    }
    reply = commands_.Handle(request, state_, Clock::Real().Now(),
                             {.dispatch =
                                  [this](const PoolEvent& event) {
                                    Step(event);
                                    return true;
                                  },
                              .reload = [] { return absl::OkStatus(); },
                              .config = [this] { return config_; },
                              .configure =
                                  [this](const PoolConfig& config) {
                                    config_ = config;
                                    scoreboard_.PublishConfig(config);
                                  },
                              .note = [this](const PoolNote& note) { Add(note); }});
    journal_.Record(Clock::RealNow(), absl::Now());
  }
  done(*reply);
  Changed();
}

void FakePool::Report(const LinkRefusal& refusal) {
  {
    std::lock_guard lock(mutex_);
    journal_.Add(refusal);
    journal_.Record(Clock::RealNow(), absl::Now());
  }
  Changed();
}

void FakePool::Note(const PoolNote& note) {
  {
    std::lock_guard lock(mutex_);
    journal_.Add(note);
    journal_.Record(Clock::RealNow(), absl::Now());
  }
  Changed();
}

void FakePool::Resize(int workers) {
  LinkRequest request;
  request.target = workers;
  Send(request, [](const auto&) {});
}

void FakePool::OnChange(std::function<void()> callback) {
  std::lock_guard lock(mutex_);
  on_change_ = std::move(callback);
}

void FakePool::HoldOperations() {
  std::lock_guard lock(mutex_);
  operations_held_ = true;
}

void FakePool::LetOperationsGo() {
  {
    std::lock_guard lock(mutex_);
    operations_held_ = false;
    commands_.Update(state_, Clock::Real().Now());
  }
  Changed();
}

void FakePool::MakeAllReady() {
  {
    std::lock_guard lock(mutex_);
    for (int i = 0; i < state_.rows(); ++i) {
      const SlotView view = state_.row(i);
      if (view.state != WorkerState::kStarting) continue;
      Step(WorkerReady{view.slot, view.incarnation});
      WorkerRow& row = scoreboard_.worker_row(view.row);
      row.Enter({.process = {view.slot, view.incarnation}, .pid = view.pid});
      row.Heartbeat(Clock::Real().Now());
    }
  }
  Changed();
}

void FakePool::FinishDraining() {
  {
    std::lock_guard lock(mutex_);
    for (int i = 0; i < state_.rows(); ++i) {
      const SlotView view = state_.row(i);
      if (view.state == WorkerState::kDraining) {
        Step(WorkerExited{view.slot, view.incarnation, ExitStatus::Exited(0)});
      }
    }
  }
  Changed();
}

void FakePool::Kill(int slot, ExitStatus status) {
  {
    std::lock_guard lock(mutex_);
    Step(WorkerExited{slot, state_.slot(slot).incarnation, status});
    Step(PoolTick{});
  }
  Changed();
}

void FakePool::BeginShutdown() {
  {
    std::lock_guard lock(mutex_);
    Step(ShutdownRequest{});
  }
  Changed();
}

void FakePool::SetUnreachable(bool unreachable) {
  std::lock_guard lock(mutex_);
  unreachable_ = unreachable;
}

LinkRequest FakePool::last_command() {
  std::lock_guard lock(mutex_);
  return last_command_;
}

void FakePool::Step(const PoolEvent& event) {
  std::deque<PoolEvent> events = {event};
  while (!events.empty()) {
    for (const PoolAction& action : state_.Step(events.front(), Clock::Real().Now())) {
      if (const auto* spawn = std::get_if<SpawnWorker>(&action)) {
        events.push_back(WorkerSpawned{spawn->slot, spawn->incarnation, 1000 + spawn->slot});
      } else if (const auto* resize = std::get_if<ResizeResult>(&action)) {
        commands_.On(*resize);
      } else if (const auto* restart = std::get_if<RestartResult>(&action)) {
        commands_.On(*restart);
      } else if (const auto* note = std::get_if<PoolNote>(&action)) {
        Add(*note);
      }
    }
    events.pop_front();
  }
  // In the master's order.
  journal_.Record(Clock::RealNow(), absl::Now());
  scoreboard_.PublishPool(state_.pool());
  for (int row = 0; row < state_.rows(); ++row) scoreboard_.PublishSlot(state_.row(row));
  if (!operations_held_) commands_.Update(state_, Clock::Real().Now());
}

void FakePool::Add(PoolNote note) {
  commands_.On(note);
  journal_.Add(note);
}

void FakePool::Changed() {
  std::function<void()> callback;
  {
    std::lock_guard lock(mutex_);
    callback = on_change_;
  }
  if (callback) callback();
}

}  // namespace squall::testing
