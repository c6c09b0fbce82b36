// Says of one worker whether its loop runs, and if not, why: the handler's fault, somebody's SIGSTOP
// or a machine that does not run it. Tells when an operator should hear of it and, if asked to, when
// the worker has to go.
//
//   Watchdog watchdog(options);  // One for each process, made after its fork.
//   WatchdogSample sample{.now = now, .heartbeat = row.heartbeat()};
//   if (IsStale(sample.heartbeat, now)) {  // Only then is /proc worth a look.
//     if (auto stat = ReadMainThreadStat(pid); stat.ok()) sample.stat = *stat;
//     sample.in_flight = row.in_flight();
//     if (!row.LoadRequest(&sample.request)) sample.request.reset();
//   }
//   const WatchdogVerdict verdict = watchdog.Judge(sample);
//   if (verdict.note == WatchdogNote::kWarn) LOG(WARNING) << name << " is " << verdict.text;
//   if (verdict.due.has_value()) {
//     pool.Step(AbortWorker{slot, incarnation, *verdict.due, options.abort_grace, verdict.text}, now);
//   }
//
// Three clocks, each with its own option, none of which runs for another one's reason:
// - The loop's: since its last heartbeat. A worker whose handlers wait without blocking has none to
//   fear, whatever its requests take.
// - The request's: since it began. It ends only a worker that is stalled as well and was warned of:
//   while the loop runs, a long request is the handler's to time out, and killing its worker would
//   cut all others. What it adds to the loop's clock is that a stall outside of requests is spared
//   and that a request which blocks again and again is counted from its beginning.
// - The stopped worker's: since it was first seen stopped. Its heartbeat says nothing about it.
// The boot's is the supervisor's own (PoolOptions::boot_timeout): before the first heartbeat a worker
// is healthy here.
//
// Blocking handlers are legal in squall, so that nothing is killed by default.
//
// Pure: no clock, no system call. Used by the master, at every `interval`, for READY workers; a
// draining worker has deadlines of its own.
#ifndef SQUALL_PROCESS_WATCHDOG_H_
#define SQUALL_PROCESS_WATCHDOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/process_stat.h"
#include "squall/process/watchdog_options.h"
#include "squall/process/worker_health.h"
#include "squall/process/worker_row.h"

namespace squall {

// What is known of a worker at one moment.
struct WatchdogSample {
  MonotonicTime now;
  // As in WorkerRow.
  MonotonicTime heartbeat = MonotonicTime::Infinite();
  std::optional<RequestInFlight> request{};
  uint64_t in_flight = 0;
  // ReadMainThreadStat. Not needed while the heartbeat is not late (kLateHeartbeat); without it a
  // silent worker counts as stalled.
  std::optional<ProcessStat> stat{};
};

enum class WatchdogNote {
  kNone,
  kWarn,       // The worker is silent for stall_warn.
  kRecovered,  // The loop of a worker that was warned of runs again.
};

struct WatchdogVerdict {
  WorkerHealth health = WorkerHealth::kHealthy;
  // Of the worker's silence: its last heartbeat, or when it was first seen stopped; later if it has
  // been excused since. Infinite() when healthy.
  MonotonicTime since = MonotonicTime::Infinite();
  WatchdogNote note = WatchdogNote::kNone;
  // The worker has to go, by this signal: SIGABRT, or SIGKILL for one that is stopped, which SIGABRT
  // would not reach. Said at each call for as long as it holds; an AbortWorker that repeats another
  // has no effect.
  std::optional<int> due;
  // For people, to be read after "worker 3 is" or, with kRecovered, after "worker 3"; printable.
  //   stalled for 12s in GET /report?year=2026 (asleep)
  //   stalled for 31s outside any request (running), limit 30s
  //   runs again; it was stopped for 14s by a signal
  // Empty when there is nothing to say.
  std::string text;
};

class Watchdog {
 public:
  explicit Watchdog(const WatchdogOptions& options);

  // Other limits from the next call on; what is known of the worker stays.
  void SetOptions(const WatchdogOptions& options) { options_ = options; }

  // The times in `sample` are this machine's; its `now` never goes back.
  //
  // A worker gets a fresh period, counted from now, when it was stopped and when the master itself
  // was: when more than five seconds beyond `interval` passed since the last call, the worker most
  // likely stood still, too. That goes for the first call as well.
  WatchdogVerdict Judge(const WatchdogSample& sample);

 private:
  WorkerHealth Classify(const WatchdogSample& sample) const;
  // Of one processor, since the last call; nullopt when it is not known.
  std::optional<double> ProcessorShare(const WatchdogSample& sample) const;
  std::string Describe(const WatchdogSample& sample, absl::Duration silence) const;
  std::optional<int> Due(const WatchdogSample& sample, WatchdogVerdict& verdict) const;

  WatchdogOptions options_;
  // As of the last call.
  MonotonicTime judged_at_;
  MonotonicTime heartbeat_ = MonotonicTime::Infinite();
  std::optional<absl::Duration> cpu_time_;  // Of the last call that had one.
  WorkerHealth health_ = WorkerHealth::kHealthy;
  MonotonicTime stopped_since_;  // While health_ is kStopped.
  // No silence before this moment is held against the worker.
  MonotonicTime excused_until_;
  // How much of the present silence the worker was not able to end.
  absl::Duration hindered_;
  // What the present silence was last described as, once a warning was given.
  std::string warned_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WATCHDOG_H_
