// What the autoscaler looks at: a pool in a few numbers.
//
//   AutoscalerInputs inputs = AutoscalerInputsOf(scoreboard.Read(now));
//   inputs.backlog = ReadListenBacklog(listener_fds);
//   std::cout << Describe(inputs);
//   // desired 4, ready 3, idle 1, coming 1, draining 0, waiting 2 of 1024, cpu 41%
#ifndef SQUALL_PROCESS_AUTOSCALER_INPUTS_H_
#define SQUALL_PROCESS_AUTOSCALER_INPUTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "squall/base/clock.h"
#include "squall/process/listen_backlog.h"
#include "squall/process/pool_snapshot.h"

namespace squall {

struct AutoscalerInputs {
  int desired = 0;      // The pool's target.
  int max_workers = 0;  // Its slots.
  int ready = 0;        // READY workers.
  // Those of them that have no request in flight. A worker that is silent or hangs is busy whatever
  // its row says, and so is one that was given up.
  int idle = 0;
  // Workers that are wanted and will be READY soon: STARTING, or not forked yet because their slot
  // still drains. Not those in BACKOFF, FAILED or DONE, and not the successors of READY workers.
  int coming = 0;
  int draining = 0;  // Processes on their way out.
  std::optional<ListenBacklog> backlog{};
  // Mean share of a processor of the READY workers; nullopt without samples.
  std::optional<double> cpu{};
  uint64_t spawn_failures = 0;  // Forks that failed, since the master's start.
  // When the last of those workers died that died before READY; the origin when none did.
  MonotonicTime boot_failed_at{};
  bool shutting_down = false;
};

// All but `backlog`. Pure. Any process, any thread.
AutoscalerInputs AutoscalerInputsOf(const PoolSnapshot& snapshot);

// For people, as above; what is not known is left out.
std::string Describe(const AutoscalerInputs& inputs);

}  // namespace squall

#endif  // SQUALL_PROCESS_AUTOSCALER_INPUTS_H_
