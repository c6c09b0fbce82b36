#include "squall/process/autoscaler_inputs.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "squall/process/heartbeat.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_health.h"
#include "squall/process/worker_state.h"

namespace squall {
namespace {

bool IsIdle(const WorkerSnapshot& worker) {
  return worker.in_flight == 0 && worker.slot.stop_step == StopStep::kNone &&
         worker.heartbeat_age.has_value() && *worker.heartbeat_age <= kStaleHeartbeat &&
         (!worker.sample.has_value() || worker.sample->health == WorkerHealth::kHealthy);
}

}  // namespace

AutoscalerInputs AutoscalerInputsOf(const PoolSnapshot& snapshot) {
  AutoscalerInputs inputs{.desired = snapshot.pool.desired,
                          .max_workers = snapshot.pool.max_workers,
                          .spawn_failures = snapshot.pool.spawn_failures,
                          .shutting_down = snapshot.pool.shutdown != ShutdownMode::kNone};
  int absent = inputs.desired;  // Wanted workers that have no process and no back-off.
  int sampled = 0;
  double cpu = 0;
  for (const WorkerSnapshot& worker : snapshot.workers) {
    const bool holds = worker.slot.role == RowRole::kHolder;
    switch (worker.slot.state) {
      case WorkerState::kReady:
        if (holds) --absent;
        ++inputs.ready;
        if (IsIdle(worker)) ++inputs.idle;
        if (worker.sample.has_value()) {
          ++sampled;
          cpu += worker.sample->cpu_share;
        }
        break;
      case WorkerState::kStarting:
        if (holds) {
          --absent;
          ++inputs.coming;
        }
        break;
      case WorkerState::kDraining:
        ++inputs.draining;
        break;
      case WorkerState::kBackoff:
      case WorkerState::kFailed:
      case WorkerState::kDone:
        if (holds) --absent;
        break;
      case WorkerState::kEmpty:
        break;
    }
    if (const std::optional<LastExit>& exit = worker.slot.last_exit;
        exit.has_value() &&
        (exit->cause == DeathCause::kBootFailure || exit->cause == DeathCause::kBootTimeout)) {
      inputs.boot_failed_at = std::max(inputs.boot_failed_at, exit->at);
    }
  }
  inputs.coming += std::max(absent, 0);
  if (sampled > 0) inputs.cpu = cpu / sampled;
  return inputs;
}

std::string Describe(const AutoscalerInputs& inputs) {
  std::string text =
      absl::StrCat("desired ", inputs.desired, ", ready ", inputs.ready, ", idle ", inputs.idle,
                   ", coming ", inputs.coming, ", draining ", inputs.draining);
  if (inputs.backlog.has_value()) {
    absl::StrAppend(&text, ", waiting ", inputs.backlog->length, " of ", inputs.backlog->limit);
  }
  if (inputs.cpu.has_value()) {
    absl::StrAppend(&text, ", cpu ", std::lround(*inputs.cpu * 100), "%");
  }
  return text;
}

}  // namespace squall
