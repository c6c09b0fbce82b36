#include "squall/process/testing/pool_script.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/process/worker_state.h"

namespace squall::testing {
namespace {

PoolOptions WithoutJitter(PoolOptions options) {
  options.backoff.jitter = 0;
  return options;
}

std::string SignalName(int signo) {
  switch (signo) {
    case SIGTERM:
      return "TERM";
    case SIGKILL:
      return "KILL";
    case SIGABRT:
      return "ABRT";
  }
  return absl::StrCat("signal ", signo);
}

template <typename Action>
std::string Name(const Action& action) {
  return absl::StrCat(action.slot, ".", action.incarnation);
}

}  // namespace

PoolScript::PoolScript(PoolOptions options, Begin begin)
    : pool_(WithoutJitter(options), 1), now_(MonotonicTime() + absl::Hours(1)) {
  if (begin == Begin::kNotStarted) return;
  Send(PoolStart{});
  if (begin == Begin::kStarting) return;
  for (int slot = 0; slot < options.desired; ++slot) Ready(absl::StrCat(slot, ".1"));
  CHECK_EQ(view().count(WorkerState::kReady), options.desired);
}

PoolScript::Worker PoolScript::Parse(std::string_view worker) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(worker), '.');
  Worker parsed{};
  CHECK(parts.size() == 2 && absl::SimpleAtoi(parts[0], &parsed.slot) &&
        absl::SimpleAtoi(parts[1], &parsed.incarnation))
      << worker;
  return parsed;
}

PoolScript::Actions PoolScript::Send(const PoolEvent& event) {
  notes_.clear();
  Actions actions;
  Step(event, actions);
  while (!forks_.empty()) {
    for (const PoolEvent& told : std::exchange(forks_, {})) Step(told, actions);
  }
  return actions;
}

void PoolScript::Step(const PoolEvent& event, Actions& actions) {
  for (const PoolAction& action : pool_.Step(event, now_)) Take(action, actions);
}

void PoolScript::Take(const PoolAction& action, Actions& actions) {
  if (const auto* spawn = std::get_if<SpawnWorker>(&action)) {
    actions.push_back(absl::StrCat("spawn ", Name(*spawn)));
    if (forks_fail_) {
      forks_.push_back(WorkerSpawnFailed{spawn->slot, spawn->incarnation, "fork: EAGAIN"});
    } else {
      forks_.push_back(WorkerSpawned{
          spawn->slot, spawn->incarnation,
          static_cast<pid_t>(100 * spawn->slot + static_cast<int>(spawn->incarnation))});
    }
  } else if (const auto* drain = std::get_if<DrainWorker>(&action)) {
    actions.push_back(absl::StrCat("drain ", Name(*drain)));
  } else if (const auto* signal = std::get_if<SignalWorker>(&action)) {
    actions.push_back(absl::StrCat(SignalName(signal->signo), " ", Name(*signal)));
  } else if (const auto* leader = std::get_if<SetLeader>(&action)) {
    actions.push_back(absl::StrCat(leader->leader ? "lead " : "unlead ", Name(*leader)));
  } else if (const auto* resize = std::get_if<ResizeResult>(&action)) {
    resize_result_ = *resize;
  } else if (const auto* restart = std::get_if<RestartResult>(&action)) {
    restart_result_ = *restart;
  } else if (const auto* finish = std::get_if<FinishPool>(&action)) {
    actions.push_back(absl::StrCat("finish ", finish->exit_code));
  } else if (const auto* note = std::get_if<PoolNote>(&action)) {
    notes_.push_back(*note);
  }
}

PoolScript::Actions PoolScript::Ready(std::string_view worker) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(WorkerReady{slot, incarnation});
}

PoolScript::Actions PoolScript::Exits(std::string_view worker, const ExitStatus& status) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(WorkerExited{slot, incarnation, status});
}

PoolScript::Actions PoolScript::Crashes(std::string_view worker) {
  return Exits(worker, ExitStatus::Killed(SIGSEGV));
}

PoolScript::Actions PoolScript::Abort(std::string_view worker, absl::Duration grace) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(AbortWorker{slot, incarnation, SIGABRT, grace, "stalled for 12s in GET /report"});
}

PoolScript::Actions PoolScript::Replace(std::string_view worker) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(ReplaceWorker{slot, incarnation, "served 1000 requests"});
}

PoolScript::Actions PoolScript::Kill(std::string_view worker) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(KillWorker{slot, incarnation, "uid 1000"});
}

PoolScript::Actions PoolScript::ReleasesLeader(std::string_view worker) {
  const auto [slot, incarnation] = Parse(worker);
  return Send(LeaderReleased{slot, incarnation});
}

PoolScript::Actions PoolScript::Resize(int target) { return Send(ResizeRequest{.target = target}); }

PoolScript::Actions PoolScript::Restart(const std::optional<RestartOptions>& options) {
  return Send(RestartRequest{.options = options, .actor = "signal HUP"});
}

PoolScript::Actions PoolScript::Shutdown(ShutdownMode mode) {
  return Send(ShutdownRequest{mode, "signal TERM"});
}

PoolScript::Actions PoolScript::Advance(absl::Duration by) {
  now_ += by;
  return Send(PoolTick{});
}

PoolScript::Actions PoolScript::AdvanceToDeadline(absl::Duration after) {
  EXPECT_EQ(pool_.next_deadline() - now_, after);
  return Advance(after);
}

std::string PoolScript::Show() const {
  std::vector<SlotView> rows;
  for (int i = 0; i < pool_.rows(); ++i) {
    if (pool_.row(i).state != WorkerState::kEmpty) rows.push_back(pool_.row(i));
  }
  std::sort(rows.begin(), rows.end(), [](const SlotView& a, const SlotView& b) {
    return std::pair(a.slot, a.incarnation) < std::pair(b.slot, b.incarnation);
  });
  return absl::StrJoin(rows, ", ", [](std::string* out, const SlotView& row) {
    absl::StrAppend(out, Name(row), " ", ToAbsl(WorkerStateName(row.state)));
    if (row.role != RowRole::kHolder) absl::StrAppend(out, " ", ToAbsl(RowRoleName(row.role)));
    absl::StrAppend(out, " g", row.generation);
  });
}

std::vector<std::string> PoolScript::Notes(PoolNote::Type type) const {
  std::vector<std::string> texts;
  for (const PoolNote& note : notes_) {
    if (note.type == type) texts.push_back(note.text);
  }
  return texts;
}

}  // namespace squall::testing
