// Internal: /metrics.
#ifndef SQUALL_CONTROL_STATUS_METRICS_HANDLER_H_
#define SQUALL_CONTROL_STATUS_METRICS_HANDLER_H_

#include <functional>

#include "absl/time/time.h"
#include "squall/control/pool_backend.h"
#include "squall/control/status/answer_tally.h"
#include "squall/control/status/control_metrics.h"
#include "squall/control/status/status_feed.h"
#include "squall/control/status/status_handler.h"

namespace squall::internal {

// What all requests for /metrics read, and the time that they took.
struct MetricsSources {
  PoolReader* reader = nullptr;  // not owned
  std::function<ControlCounts()> counts = nullptr;
  AnswerTally* tally = nullptr;      // not owned
  const StatusFeed* feed = nullptr;  // not owned
  absl::Duration spent;
};

class MetricsHandler : public StatusHandler {
 public:
  // Not owned.
  MetricsHandler(const HostRule* hosts, MetricsSources* sources)
      : StatusHandler(hosts), sources_(sources) {}

  void Get();

 private:
  MetricsSources* sources_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_METRICS_HANDLER_H_
