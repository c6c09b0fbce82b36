// Internal: the control process in Prometheus' words: what it uses and what it was asked. Its
// counters begin anew with each control process, as squall_control_start_time_seconds shows.
//
//   AppendControlMetrics({.started_at = core.started_at, .watches = 3}, text);
//
// Reads /proc/self. Any thread.
#ifndef SQUALL_CONTROL_STATUS_CONTROL_METRICS_H_
#define SQUALL_CONTROL_STATUS_CONTROL_METRICS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "squall/control/status/metrics_text.h"

namespace squall::internal {

// What the gRPC side of the process counts.
struct ControlCounts {
  absl::Time started_at;
  uint64_t refused_connections = 0;
  int watches = 0;  // open now
  int waits = 0;    // likewise
};

void AppendControlMetrics(const ControlCounts& counts, MetricsText& text);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_CONTROL_METRICS_H_
