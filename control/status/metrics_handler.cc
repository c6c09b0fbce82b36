#include "squall/control/status/metrics_handler.h"

#include <utility>

#include "squall/base/clock.h"
#include "squall/control/status/metrics_text.h"
#include "squall/control/status/pool_metrics.h"

namespace squall::internal {

void MetricsHandler::Get() {
  const MonotonicTime began = Clock::RealNow();
  const PoolSnapshot snapshot = sources_->reader->Read();
  MetricsText text;
  AppendPoolMetrics(snapshot, began, text);
  AppendControlMetrics(sources_->counts(), text);
  sources_->tally->Append(text);
  text.Family("squall_control_page_streams", MetricType::kGauge, "Status pages that are open.");
  text.Sample(sources_->feed->seats());
  text.Family("squall_control_scrape_seconds_total", MetricType::kCounter,
              "Time that the answers for /metrics before this one took to make.");
  text.Sample(sources_->spent);
  SetHeader("Content-Type", MetricsText::kContentType);
  Finish(std::move(text).Take());
  sources_->spent += Clock::RealNow() - began;
}

}  // namespace squall::internal
