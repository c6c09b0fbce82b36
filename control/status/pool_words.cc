#include "squall/control/status/pool_words.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/control/pool_to_proto.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_state.h"

namespace squall::internal {

bool IsServing(const PoolSnapshot& snapshot) {
  return snapshot.pool.shutdown == ShutdownMode::kNone && snapshot.ready() > 0;
}

std::string Readiness(const PoolSnapshot& snapshot) {
  const bool ends = snapshot.pool.shutdown != ShutdownMode::kNone;
  std::string text =
      ends ? "the pool is shutting down"
           : absl::StrCat(snapshot.ready(), " of ", snapshot.pool.desired, " workers serve");
  if (IsServing(snapshot)) return text;
  for (const auto& [number, state] :
       {std::pair(snapshot.starting(), "starting"), std::pair(snapshot.draining(), "draining"),
        std::pair(snapshot.backoff(), "waiting for their next start"),
        std::pair(snapshot.failed(), "given up"), std::pair(snapshot.done(), "done")}) {
    if (number > 0) absl::StrAppend(&text, ", ", number, " ", state);
  }
  return text;
}

bool IsStalled(const WorkerSnapshot& worker) {
  return worker.slot.state == WorkerState::kReady &&
         worker.heartbeat_age.value_or(absl::ZeroDuration()) > kStalledAfter;
}

uint64_t RequestsInFlight(const PoolSnapshot& snapshot) {
  uint64_t sum = 0;
  for (const WorkerSnapshot& worker : snapshot.workers) sum += worker.in_flight;
  return sum;
}

std::optional<absl::Duration> RequestAge(const WorkerSnapshot& worker, MonotonicTime now) {
  if (!worker.request.has_value()) return std::nullopt;
  return std::max(absl::ZeroDuration(), now - worker.request->since);
}

}  // namespace squall::internal
