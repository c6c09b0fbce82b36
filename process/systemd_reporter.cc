#include "squall/process/systemd_reporter.h"

#include <utility>

#include "absl/strings/str_cat.h"

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
    : notifier_(std::move(notifier)), ladder_(options.drain.grace + 3 * options.drain.kill_after) {}

void SystemdReporter::Report(const PoolView& pool) {
  if (!notifier_.active()) return;
  if (pool.shutdown != ShutdownMode::kNone) {
    if (!std::exchange(stopping_, true)) {
      notifier_.Stopping();
      notifier_.ExtendTimeout(ladder_);
    }
  } else if (pool.restart.runs()) {
    if (std::exchange(reloading_, pool.restart.generation) != pool.restart.generation) {
      notifier_.Reloading();
    }
  } else if ((!ready_ && pool.observed_generation > 0) || std::exchange(reloading_, 0) != 0) {
    ready_ = true;
    notifier_.Ready();
  }
  if (std::string status = StatusLine(pool); status != status_) {
    notifier_.Status(status);
    status_ = std::move(status);
  }
}

}  // namespace squall::internal
