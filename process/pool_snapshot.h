// A pool as read from its scoreboard at one moment: what `status` shows.
//
//   PoolSnapshot snapshot = scoreboard.Read(Clock::Real().Now());
//   std::cout << snapshot.ready() << " of " << snapshot.pool.desired << " workers are ready\n";
#ifndef SQUALL_PROCESS_POOL_SNAPSHOT_H_
#define SQUALL_PROCESS_POOL_SNAPSHOT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/latency_histogram.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_view.h"
#include "squall/process/scale_decision.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"
#include "squall/process/worker_state.h"

namespace squall {

struct WorkerSnapshot {
  // As the master published it; see SlotView for the fields (state, pid, incarnation, started_at,
  // …).
  SlotView slot;
  // Until the next start of a slot in BACKOFF or FAILED.
  std::optional<absl::Duration> next_restart_in;
  // As the worker wrote it. Counters and latencies are since this worker's start.
  WorkerCounters counters;
  LatencyHistogram latency;
  // Of its row, over all workers that ever were in it: they never go back.
  WorkerCounters row_counters;
  int64_t connections = 0;
  uint64_t in_flight = 0;
  bool accepting = false;                       // Takes new connections.
  std::optional<absl::Duration> heartbeat_age;  // Unset before the first heartbeat.
  std::optional<RequestInFlight> request;       // Begun last of those in flight.
  // Of the turns of its loop that have ended; the longest of the last 10 to 20 s. So long a
  // connection may have waited for this worker.
  absl::Duration last_loop_turn;
  absl::Duration longest_loop_turn;
  // What the master found out about its process. Unset before the first time.
  std::optional<WorkerSample> sample;
  // Scoreboard::LastStack has the stack of the process that slot.last_exit tells of.
  bool last_exit_has_stack = false;
  // The master is, or died, in the middle of publishing this slot: `slot` is as it was before that.
  bool torn = false;
  // The worker is, or died, in the middle of writing its request: it is left out.
  bool request_torn = false;
};

// The stack of a process that died, in its own words.
struct WorkerStack {
  ProcessKey process;
  pid_t pid = 0;
  std::string text;  // Octets of any kind: not printable without escaping.
};

struct PoolSnapshot {
  uint64_t instance_id = 0;  // Random, one per start of the master.
  pid_t master_pid = 0;
  absl::Time started_at;  // Of the master, wall clock.
  PoolView pool;          // Target, generations, counts by state, …
  PoolConfig config;
  AutoscalerView autoscaler;
  // Since the master's start, over all workers that ever were; they never go back from one Read to
  // the next of the same scoreboard.
  WorkerCounters totals;
  LatencyHistogram latency;
  int64_t connections = 0;  // Open now, over all workers.
  // By slot, and by incarnation where two processes share a slot; EMPTY ones are left out.
  std::vector<WorkerSnapshot> workers;
  // The master is, or died, in the middle of publishing the pool: `pool` is as it was before that.
  bool torn = false;

  int ready() const { return pool.count(WorkerState::kReady); }
  int starting() const { return pool.count(WorkerState::kStarting); }
  int draining() const { return pool.count(WorkerState::kDraining); }
  int backoff() const { return pool.count(WorkerState::kBackoff); }
  int failed() const { return pool.count(WorkerState::kFailed); }
  int done() const { return pool.count(WorkerState::kDone); }
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_SNAPSHOT_H_
