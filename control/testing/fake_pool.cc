#include "squall/control/testing/fake_pool.h"

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/clock.h"
#include "squall/base/logging.h"
#include "squall/process/control_link.h"

namespace squall::testing {

FakePool::FakePool(const PoolOptions& options)
    : state_(options, /*seed=*/1), scoreboard_(Scoreboard::Create(options.max_workers).value()) {
  {
    std::lock_guard lock(mutex_);
    Step(PoolStart{});
  }
  MakeAllReady();
}

PoolSnapshot FakePool::Read() {
  std::lock_guard lock(mutex_);
  return scoreboard_.Read(Clock::Real().Now());
}

void FakePool::Resize(ResizeCommand command, Done done) {
  LinkReply reply;
  {
    std::unique_lock lock(mutex_);
    last_command_ = command;
    if (unreachable_) {
      lock.unlock();
      done(absl::UnavailableError("the master did not answer within 1s"));
      return;
    }
    ResizeRequest request{.target = command.desired_workers,
                          .request_id = command.request_id,
                          .validate_only = command.validate_only};
    if (command.expected_generation != 0) request.expected_generation = command.expected_generation;
    const std::optional<ResizeResult> result = Step(request);
    CHECK(result.has_value());
    reply.code = static_cast<int32_t>(result->code);
    reply.reason = result->reason;
    reply.generation = result->generation;
    reply.desired = result->desired;
    reply.max_workers = result->max_workers;
    SetLinkText(reply.message, result->message);
  }
  done(reply);
  Changed();
}

void FakePool::OnChange(std::function<void()> callback) {
  std::lock_guard lock(mutex_);
  on_change_ = std::move(callback);
}

void FakePool::MakeAllReady() {
  {
    std::lock_guard lock(mutex_);
    for (int slot = 0; slot < scoreboard_.rows(); ++slot) {
      const SlotView view = state_.slot(slot);
      if (view.state != WorkerState::kStarting) continue;
      Step(WorkerReady{slot, view.incarnation});
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
    for (int slot = 0; slot < scoreboard_.rows(); ++slot) {
      const SlotView view = state_.slot(slot);
      if (view.state == WorkerState::kDraining) {
        Step(WorkerExited{slot, view.incarnation, ExitStatus::Exited(0)});
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

ResizeCommand FakePool::last_command() {
  std::lock_guard lock(mutex_);
  return last_command_;
}

std::optional<ResizeResult> FakePool::Step(const PoolEvent& event) {
  std::optional<ResizeResult> result;
  std::deque<PoolEvent> events = {event};
  while (!events.empty()) {
    for (const PoolAction& action : state_.Step(events.front(), Clock::Real().Now())) {
      if (const auto* spawn = std::get_if<SpawnWorker>(&action)) {
        events.push_back(WorkerSpawned{spawn->slot, spawn->incarnation, 1000 + spawn->slot});
      } else if (const auto* answer = std::get_if<ResizeResult>(&action)) {
        result = *answer;
      }
    }
    events.pop_front();
  }
  scoreboard_.PublishPool(state_.pool());
  for (int slot = 0; slot < scoreboard_.rows(); ++slot) {
    scoreboard_.PublishSlot(state_.slot(slot));
  }
  return result;
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
