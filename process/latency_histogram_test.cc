#include "squall/process/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace squall {
namespace {

constexpr int kLast = LatencyHistogram::kNumBuckets - 1;

TEST(LatencyHistogramTest, BucketsLieEndToEnd) {
  EXPECT_EQ(LatencyHistogram::LowerBoundMicros(0), 0u);
  for (int bucket = 0; bucket <= kLast; ++bucket) {
    const uint64_t low = LatencyHistogram::LowerBoundMicros(bucket);
    EXPECT_EQ(LatencyHistogram::BucketOf(low), bucket) << low;
    if (bucket > 0) {
      EXPECT_EQ(LatencyHistogram::BucketOf(low - 1), bucket - 1) << low;
    }
  }
  EXPECT_EQ(LatencyHistogram::LowerBoundMicros(1), 64u);
  EXPECT_EQ(LatencyHistogram::LowerBoundMicros(2), 80u);
  EXPECT_EQ(LatencyHistogram::LowerBoundMicros(5), 128u);
  EXPECT_EQ(LatencyHistogram::LowerBoundMicros(kLast), 67'108'864u);
  EXPECT_EQ(LatencyHistogram::BucketOf(UINT64_MAX), kLast);
}

TEST(LatencyHistogramTest, NoBucketIsWiderThanAQuarterOfItsTimes) {
  for (int bucket = 1; bucket < kLast; ++bucket) {
    const uint64_t low = LatencyHistogram::LowerBoundMicros(bucket);
    EXPECT_LE(4 * (LatencyHistogram::LowerBoundMicros(bucket + 1) - low), low) << bucket;
  }
}

TEST(LatencyHistogramTest, AnEmptyOneHasNoTimes) {
  const LatencyHistogram latency;
  EXPECT_EQ(latency.count(), 0u);
  EXPECT_EQ(latency.sum(), absl::ZeroDuration());
  EXPECT_EQ(latency.max(), absl::ZeroDuration());
  EXPECT_EQ(latency.Quantile(0.99), absl::ZeroDuration());
}

TEST(LatencyHistogramTest, OneTimeIsEveryQuantile) {
  LatencyHistogram latency;
  latency.Record(absl::Microseconds(100));
  for (const double q : {0.0, 0.5, 0.99, 1.0}) {
    EXPECT_GE(latency.Quantile(q), absl::Microseconds(96)) << q;
    EXPECT_LE(latency.Quantile(q), absl::Microseconds(100)) << q;
  }
  EXPECT_EQ(latency.max(), absl::Microseconds(100));
  EXPECT_EQ(latency.sum(), absl::Microseconds(100));
}

TEST(LatencyHistogramTest, NegativeAndEndlessTimesHaveTheirBuckets) {
  LatencyHistogram latency;
  latency.Record(-absl::Seconds(1));
  EXPECT_EQ(latency.count(0), 1u);
  EXPECT_EQ(latency.sum(), absl::ZeroDuration());
  latency.Record(absl::Hours(1));
  EXPECT_EQ(latency.count(kLast), 1u);
  EXPECT_EQ(latency.max(), absl::Hours(1));
  EXPECT_EQ(latency.Quantile(1), absl::Hours(1));
}

TEST(LatencyHistogramTest, QuantilesAreWithinAQuarter) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    LatencyHistogram latency;
    std::vector<double> micros;
    // Spread over the octaves from 64 µs to 67 s, and in some rounds over few of them.
    std::uniform_real_distribution<double> exponent(6, round % 2 == 0 ? 26 : 8);
    for (int i = 0; i < 1 + 500 * round; ++i) {
      micros.push_back(std::floor(std::exp2(exponent(random))));
      latency.Record(absl::Microseconds(micros.back()));
    }
    std::sort(micros.begin(), micros.end());
    EXPECT_EQ(latency.count(), micros.size());
    EXPECT_EQ(latency.max(), absl::Microseconds(micros.back()));
    for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(micros.size())));
      const double exact = micros[std::max<size_t>(rank, 1) - 1];
      const double got = absl::ToDoubleMicroseconds(latency.Quantile(q));
      EXPECT_LE(std::abs(got - exact), 0.25 * exact) << q << " of " << micros.size();
    }
  }
}

TEST(LatencyHistogramTest, SumsAreTheHistogramOfAll) {
  LatencyHistogram a;
  LatencyHistogram b;
  LatencyHistogram both;
  for (int i = 1; i <= 1000; ++i) {
    const absl::Duration time = absl::Microseconds(37 * i);
    (i % 3 == 0 ? a : b).Record(time);
    both.Record(time);
  }
  a += b;
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.sum(), both.sum());
  EXPECT_EQ(a.max(), both.max());
  EXPECT_EQ(a.Quantile(0.9), both.Quantile(0.9));
}

TEST(LatencyHistogramTest, ADifferenceHasOnlyWhatCameSince) {
  LatencyHistogram latency;
  latency.Record(absl::Seconds(30));
  const LatencyHistogram earlier = latency;
  for (int i = 0; i < 10; ++i) latency.Record(absl::Milliseconds(1));
  LatencyHistogram since = latency;
  since -= earlier;
  EXPECT_EQ(since.count(), 10u);
  EXPECT_EQ(since.sum(), absl::Milliseconds(10));
  EXPECT_GE(since.max(), absl::Milliseconds(1));
  EXPECT_LE(since.max(), absl::Milliseconds(1.25));
  // What was taken away does not come back with a sum.
  LatencyHistogram sum;
  sum += since;
  EXPECT_EQ(sum.max(), since.max());
  const LatencyHistogram all = since;
  since -= all;
  EXPECT_EQ(since.max(), absl::ZeroDuration());
}

}  // namespace
}  // namespace squall
