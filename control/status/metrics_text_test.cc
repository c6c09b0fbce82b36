#include "squall/control/status/metrics_text.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/latency_histogram.h"

namespace squall::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MetricsText, AFamilyIsHelpTypeAndSamples) {
  MetricsText text;
  text.Family("squall_workers", MetricType::kGauge, "Workers by state.");
  text.Sample(2, {{"state", "ready"}});
  text.Sample(-1, {{"state", "none"}, {"of", "it"}});
  text.Family("squall_requests_total", MetricType::kCounter, "Requests.");
  text.Sample(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(std::move(text).Take(),
            "# HELP squall_workers Workers by state.\n"
            "# TYPE squall_workers gauge\n"
            "squall_workers{state=\"ready\"} 2\n"
            "squall_workers{state=\"none\",of=\"it\"} -1\n"
            "# HELP squall_requests_total Requests.\n"
            "# TYPE squall_requests_total counter\n"
            "squall_requests_total 18446744073709551615\n");
}

TEST(MetricsText, NumbersHaveTheDigitsTheyNeed) {
  const std::pair<double, std::string> kCases[] = {
      {0, "0"},
      {0.25, "0.25"},
      {1e-6, "0.000001"},
      {1764556800.125, "1764556800.125"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"}};
  for (const auto& [value, shown] : kCases) {
    MetricsText text;
    text.Family("a", MetricType::kGauge, "b");
    text.Sample(value);
    EXPECT_THAT(std::move(text).Take(), HasSubstr("\na " + shown + "\n"));
  }
  MetricsText text;
  text.Family("a", MetricType::kGauge, "b");
  text.Sample(absl::Milliseconds(1500));
  text.Sample(std::numeric_limits<double>::max());
  EXPECT_THAT(std::move(text).Take(), HasSubstr("\na 1.5\na 1797693134862315"));
}

TEST(MetricsText, NoLabelCanEndItsLine) {
  MetricsText text;
  text.Family("a", MetricType::kGauge, "b");
  text.Sample(1, {{"l", "x\"} 2\nb\\"}});
  EXPECT_THAT(std::move(text).Take(), HasSubstr("\na{l=\"x\\\"} 2\\nb\\\\\"} 1\n"));
}

TEST(MetricsText, AHistogramIsCumulative) {
  LatencyHistogram latency;
  latency.Record(absl::Microseconds(10));
  latency.Record(absl::Microseconds(65));
  latency.Record(absl::Microseconds(100));
  latency.Record(absl::Minutes(2));
  MetricsText text;
  text.Family("d_seconds", MetricType::kHistogram, "D.");
  text.Histogram(latency);
  const std::string all = std::move(text).Take();
  EXPECT_THAT(all, StartsWith("# HELP d_seconds D.\n"
                              "# TYPE d_seconds histogram\n"
                              "d_seconds_bucket{le=\"0.000064\"} 1\n"
                              "d_seconds_bucket{le=\"0.000096\"} 2\n"
                              "d_seconds_bucket{le=\"0.000128\"} 3\n"
                              "d_seconds_bucket{le=\"0.000192\"} 3\n"));
  EXPECT_THAT(all, HasSubstr("d_seconds_bucket{le=\"67.108864\"} 3\n"
                             "d_seconds_bucket{le=\"+Inf\"} 4\n"
                             "d_seconds_sum 120.000175\n"
                             "d_seconds_count 4\n"));
}

}  // namespace
}  // namespace squall::internal
