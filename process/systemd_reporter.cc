#include "squall/process/systemd_reporter.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall::internal {

std::string StatusLine(const PoolView& pool) {
  std::string text =
      absl::StrCat(pool.count(WorkerState::kReady), " of ", pool.desired, " workers ready");
  const auto also = [&](WorkerState state, const char* what) {
    if (pool.count(state) > 0) absl::StrAppend(&text, ", ", pool.count(state), " ", what);
  };
  also(WorkerState::kStarting, "starting");
  also(WorkerState::kDraining, "draining");
  also(WorkerState::kBackoff, "waiting to restart");
  also(WorkerState::kFailed, "failed");
  switch (pool.restart.phase) {
    case RestartPhase::kRunning:
      absl::StrAppend(&text, "; restarting, ", pool.restart.remaining, " to go");
      break;
    case RestartPhase::kRollingBack:
      absl::StrAppend(&text, "; the restart failed, rolling back, ", pool.restart.remaining,
                      " to go");
      break;
    case RestartPhase::kFailed:
      absl::StrAppend(&text, "; the last restart failed");
      break;
    case RestartPhase::kNone:
    case RestartPhase::kSucceeded:
      break;
  }
  if (pool.shutdown != ShutdownMode::kNone) absl::StrAppend(&text, "; shutting down");
  return text;
}

SystemdReporter::SystemdReporter(SystemdNotifier notifier, const PoolOptions& options)
    : notifier_(std::move(notifier)) {
  SetDrain(options.drain);
}

void SystemdReporter::SetDrain(const DrainOptions& drain) {
  ladder_ = drain.grace + 3 * drain.kill_after;
}

void SystemdReporter::Report(const PoolView& pool) {
  if (!notifier_.active()) return;
  if (pool.shutdown != ShutdownMode::kNone) {
    if (!std::exchange(stopping_, true)) {
      notifier_.Stopping();
      notifier_.ExtendTimeout(ladder_);
    }
  } else {
    // A restart that has nothing to do has ended before it is told.
    if (std::exchange(told_restart_, pool.restart.generation) != pool.restart.generation) {
      reloading_ = true;
      notifier_.Reloading();
    }
    const bool up = !ready_ && pool.observed_generation > 0;
    if (!pool.restart.runs() && (std::exchange(reloading_, false) || up)) {
      ready_ = true;
      notifier_.Ready();
    }
  }
  if (std::string status = StatusLine(pool); status != status_) {
    notifier_.Status(status);
    status_ = std::move(status);
  }
}

void SystemdReporter::ReloadRefused(std::string_view why) {
  // Before it is up and while it stops systemd does not wait for a reload, and READY would be wrong.
  if (!notifier_.active() || !ready_ || stopping_) return;
  notifier_.Reloading();
  status_ = absl::StrCat("reload refused: ", ToAbsl(why));
  notifier_.Status(status_);
  // Else the end of the restart that runs is the end of this reload, too.
  if (!reloading_) notifier_.Ready();
}

}  // namespace squall::internal
