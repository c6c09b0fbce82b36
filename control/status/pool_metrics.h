// Internal: a pool in Prometheus' words: what /metrics says of the master, its workers and what they
// served. docs/metrics.md has every name.
//
//   MetricsText text;
//   AppendPoolMetrics(scoreboard.Read(now), now, text);
//
// What is of one worker has the labels `slot` and `row`: two processes share a slot while one takes
// over from the other, and only rows have counters that outlive their workers. Pure. Any thread.
#ifndef SQUALL_CONTROL_STATUS_POOL_METRICS_H_
#define SQUALL_CONTROL_STATUS_POOL_METRICS_H_

#include "squall/base/clock.h"
#include "squall/control/status/metrics_text.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

// `now` is when the snapshot was read.
void AppendPoolMetrics(const PoolSnapshot& snapshot, MonotonicTime now, MetricsText& text);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_POOL_METRICS_H_
