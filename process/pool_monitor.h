// Internal: what the master looks at every now and then: are the workers well (watchdog), are they
// old (recycling), are they enough (autoscaling), and what do they use. It reads the scoreboard and
// /proc and says what is to be told to PoolState; it changes nothing itself but the samples in the
// scoreboard.
//
//   PoolMonitor monitor(options, pool.rows(), seed);
//   if (monitor.next_look() <= now) {
//     for (PoolEvent& event : monitor.Look(pool, scoreboard, now).events) pool.Step(event, now);
//   }
//
// The master's, in its one thread. It waits for nothing.
#ifndef SQUALL_PROCESS_POOL_MONITOR_H_
#define SQUALL_PROCESS_POOL_MONITOR_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/autoscaler.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_state.h"
#include "squall/process/process_stat.h"
#include "squall/process/recycle.h"
#include "squall/process/scale_decision.h"
#include "squall/process/scoreboard.h"
#include "squall/process/watchdog.h"

namespace squall::internal {

struct PoolMonitorOptions {
  WatchdogOptions watchdog;
  RecycleOptions recycle;
  AutoscalerOptions autoscaler;
  std::vector<int> listeners;  // Whose backlog the autoscaler looks at; not owned.
};

class PoolMonitor {
 public:
  struct Findings {
    std::vector<PoolEvent> events;
    std::vector<PoolNote> notes;
  };

  PoolMonitor(const PoolMonitorOptions& options, int rows, uint64_t seed);

  MonotonicTime next_look() const { return std::min(next_watch_, autoscaler_.next_tick()); }

  const PoolMonitorOptions& options() const { return options_; }

  // Looks with other options from now on. An autoscaler that is changed begins anew; a worker that
  // is silent stays so since the same moment.
  void Configure(const PoolConfig& config, Scoreboard& scoreboard);

  Findings Look(const PoolState& pool, Scoreboard& scoreboard, MonotonicTime now);

 private:
  // Of one process.
  struct Watched {
    Watched(const PoolMonitorOptions& options, const SlotView& view, std::minstd_rand& random);

    uint64_t incarnation;
    int slot;
    Watchdog watchdog;
    RecycleLimits limits;
    bool due = false;  // The pool was told to replace it.
    std::optional<ProcessStat> stat{};
    MonotonicTime sampled_at{};
    WorkerSample sample{};
  };

  void LookAt(const SlotView& view, Scoreboard& scoreboard, MonotonicTime now, Findings& findings);
  void Sample(const SlotView& view, Watched& watched, MonotonicTime now);
  void Judge(const SlotView& view, const WorkerRow& row, Watched& watched, MonotonicTime now,
             Findings& findings);
  void Recycle(const SlotView& view, const Scoreboard& scoreboard, Watched& watched,
               MonotonicTime now, Findings& findings);
  void Autoscale(Scoreboard& scoreboard, MonotonicTime now, Findings& findings);

  PoolMonitorOptions options_;
  absl::Duration sample_interval_;
  std::minstd_rand random_;
  Autoscaler autoscaler_;
  AutoscalerView autoscaler_view_;
  std::vector<std::optional<Watched>> watched_;  // By row.
  MonotonicTime next_watch_;
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_POOL_MONITOR_H_
