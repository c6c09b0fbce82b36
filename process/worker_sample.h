// What the master finds out about a worker's process from outside, every now and then, and puts into
// the scoreboard: what it uses, and whether it is well.
//
//   scoreboard.PublishSample(view.row, {.at = now, .rss_bytes = stat.rss_bytes,
//                                       .cpu_time = stat.cpu_time,
//                                       .health = WorkerHealth::kHealthy, .health_since = now});
//   ...
//   if (worker.sample.has_value()) std::cout << worker.sample->rss_bytes;   // of a PoolSnapshot
#ifndef SQUALL_PROCESS_WORKER_SAMPLE_H_
#define SQUALL_PROCESS_WORKER_SAMPLE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/worker_health.h"

namespace squall {

struct WorkerSample {
  MonotonicTime at{};         // When it was taken.
  uint64_t rss_bytes = 0;     // Resident memory, shared pages included.
  absl::Duration cpu_time{};  // User and system time of all threads since the process started.
  double cpu_share = 0;       // Of one processor, since the sample before this one: 0.25.
  WorkerHealth health = WorkerHealth::kHealthy;
  MonotonicTime health_since{};  // Since when it has been so.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_SAMPLE_H_
