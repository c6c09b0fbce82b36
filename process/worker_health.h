// How a worker is, as the watchdog sees it and the scoreboard shows it.
//
//   if (sample.health != WorkerHealth::kHealthy) LOG(INFO) << WorkerHealthName(sample.health);
#ifndef SQUALL_PROCESS_WORKER_HEALTH_H_
#define SQUALL_PROCESS_WORKER_HEALTH_H_

#include <cstdint>
#include <string_view>

namespace squall {

// The values are written into the scoreboard, so they never change their numbers.
enum class WorkerHealth : uint8_t {
  kHealthy = 0,
  kStalled = 1,   // A handler keeps the loop from running: it computes or sleeps.
  kInKernel = 2,  // Likewise, but in a system call that waits for a disk or a network file system.
  kStarved = 3,   // It would run, but the machine gives its processors to others.
  kStopped = 4,   // By a signal or a debugger.
};

// "healthy", "stalled", "in kernel", "starved", "stopped".
constexpr std::string_view WorkerHealthName(WorkerHealth health) {
  switch (health) {
    case WorkerHealth::kHealthy:
      return "healthy";
    case WorkerHealth::kStalled:
      return "stalled";
    case WorkerHealth::kInKernel:
      return "in kernel";
    case WorkerHealth::kStarved:
      return "starved";
    case WorkerHealth::kStopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_HEALTH_H_
