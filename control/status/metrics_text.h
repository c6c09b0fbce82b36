// Internal: writes what Prometheus reads, its text format 0.0.4: families of metrics, each with its
// help, its type and its samples.
//
//   MetricsText text;
//   text.Family("squall_pool_workers", MetricType::kGauge, "Workers by state.");
//   text.Sample(2, {{"state", "ready"}});
//   text.Family("squall_http_requests_total", MetricType::kCounter, "Requests read.");
//   text.Sample(uint64_t{4711});
//   std::string body = std::move(text).Take();
//
// Written by hand because Debian's prometheus-cpp wants a tree of strings for each scrape, and owns
// the counters, which are the scoreboard's here. Names and help are literals of the program; labels
// may have any octets. One thread.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#ifndef SQUALL_CONTROL_STATUS_METRICS_TEXT_H_
#define SQUALL_CONTROL_STATUS_METRICS_TEXT_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "squall/process/latency_histogram.h"

namespace squall::internal {

enum class MetricType { kCounter, kGauge, kHistogram };

class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  // Begins a family. Its samples follow before the next one begins.
  void Family(std::string_view name, MetricType type, std::string_view help);

  // A sample of the family. Integers are exact, numbers and seconds have the digits they need.
  void Sample(std::integral auto value, Labels labels = {}) {
    if constexpr (std::is_signed_v<decltype(value)>) {
      Append("", labels, static_cast<int64_t>(value));
    } else {
      Append("", labels, static_cast<uint64_t>(value));
    }
  }
  void Sample(double value, Labels labels = {}) { Append("", labels, value); }
  void Sample(absl::Duration value, Labels labels = {}) {
    Append("", labels, absl::ToDoubleSeconds(value));
  }

  // All samples of a family of type kHistogram, in seconds: two buckets for each doubling from 64 µs
  // to 67 s, half of those that LatencyHistogram has.
  void Histogram(const LatencyHistogram& histogram);

  std::string Take() && { return std::move(text_); }

 private:
  void Append(std::string_view suffix, Labels labels, int64_t value);
  void Append(std::string_view suffix, Labels labels, uint64_t value);
  void Append(std::string_view suffix, Labels labels, double value);
  void AppendName(std::string_view suffix, Labels labels);

  std::string text_;
  std::string_view name_;  // Of the family.
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_METRICS_TEXT_H_
