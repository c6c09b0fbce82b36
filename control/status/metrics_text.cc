#include "squall/control/status/metrics_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

std::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

void AppendLabelValue(std::string& text, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '\\':
        text += "\\\\";
        break;
      case '"':
        text += "\\\"";
        break;
      case '\n':
        text += "\\n";
        break;
      default:
        text += c;
    }
  }
}

// The shortest text without an exponent that reads back as the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[400];  // A double has at most 309 digits before its point.
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, end.ptr);
}

}  // namespace

void MetricsText::Family(std::string_view name, MetricType type, std::string_view help) {
  name_ = name;
  absl::StrAppend(&text_, "# HELP ", ToAbsl(name), " ", ToAbsl(help), "\n# TYPE ", ToAbsl(name),
                  " ", ToAbsl(TypeName(type)), "\n");
}

void MetricsText::AppendName(std::string_view suffix, Labels labels) {
  absl::StrAppend(&text_, ToAbsl(name_), ToAbsl(suffix));
  char before = '{';
  for (const auto& [label, value] : labels) {
    text_ += before;
    absl::StrAppend(&text_, ToAbsl(label), "=\"");
    AppendLabelValue(text_, value);
    text_ += '"';
    before = ',';
  }
  text_ += labels.size() == 0 ? " " : "} ";
}

void MetricsText::Append(std::string_view suffix, Labels labels, int64_t value) {
  AppendName(suffix, labels);
  absl::StrAppend(&text_, value, "\n");
}

void MetricsText::Append(std::string_view suffix, Labels labels, uint64_t value) {
  AppendName(suffix, labels);
  absl::StrAppend(&text_, value, "\n");
}

void MetricsText::Append(std::string_view suffix, Labels labels, double value) {
  AppendName(suffix, labels);
  absl::StrAppend(&text_, NumberText(value), "\n");
}

void MetricsText::Histogram(const LatencyHistogram& histogram) {
  constexpr int kLast = LatencyHistogram::kNumBuckets - 1;
  uint64_t below = 0;
  for (int bucket = 0; bucket < kLast; ++bucket) {
    below += histogram.count(bucket);
    // Bucket 0 ends with the first octave, of the others every second one is shown.
    if (bucket % 2 != 0) continue;
    const double end = static_cast<double>(LatencyHistogram::LowerBoundMicros(bucket + 1)) / 1e6;
    Append("_bucket", {{"le", NumberText(end)}}, below);
  }
  below += histogram.count(kLast);
  Append("_bucket", {{"le", "+Inf"}}, below);
  Append("_sum", {}, absl::ToDoubleSeconds(histogram.sum()));
  Append("_count", {}, below);
}

}  // namespace squall::internal
