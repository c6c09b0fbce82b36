#include "squall/process/recycle.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr int64_t kMiB = int64_t{1} << 20;

RecycleLimits Exact(RecycleOptions options) {
  options.jitter = 0;
  EXPECT_THAT(Validate(options), IsOk());
  std::minstd_rand random(1);
  return RecycleLimits(options, random);
}

TEST(RecycleTest, NothingIsDueByDefault) {
  EXPECT_EQ(Exact({}).Due({.requests = std::numeric_limits<uint64_t>::max(),
                           .age = absl::Hours(1000000),
                           .rss_bytes = std::numeric_limits<uint64_t>::max()}),
            std::nullopt);
}

TEST(RecycleTest, EachLimitWithItsReason) {
  const RecycleLimits limits =
      Exact({.max_requests = 1000, .max_lifetime = absl::Hours(1), .max_rss = 200 * kMiB});
  const absl::Duration minute = absl::Minutes(1);
  EXPECT_EQ(limits.Due({.requests = 999, .age = minute, .rss_bytes = 200 * kMiB - 1}),
            std::nullopt);
  EXPECT_THAT(limits.Due({.requests = 1000, .age = minute}),
              Optional(std::string("served 1000 requests, limit 1000")));
  EXPECT_THAT(limits.Due({.requests = 1024, .age = minute}),
              Optional(std::string("served 1024 requests, limit 1000")));
  EXPECT_EQ(limits.Due({.age = absl::Hours(1) - absl::Nanoseconds(1)}), std::nullopt);
  EXPECT_THAT(limits.Due({.age = absl::Hours(1)}),
              Optional(std::string("served for 1h, limit 1h")));
  EXPECT_THAT(limits.Due({.age = absl::Hours(1) + absl::Milliseconds(2345)}),
              Optional(std::string("served for 1h2s, limit 1h")));
  EXPECT_THAT(limits.Due({.age = minute, .rss_bytes = 200 * kMiB}),
              Optional(std::string("uses 200.0 MiB of memory, limit 200.0 MiB")));
  EXPECT_THAT(limits.Due({.age = minute, .rss_bytes = 212 * kMiB + 400 * 1024}),
              Optional(std::string("uses 212.4 MiB of memory, limit 200.0 MiB")));
}

TEST(RecycleTest, MemoryThatIsNotKnownIsNoReason) {
  EXPECT_EQ(Exact({.max_rss = 1}).Due({.age = absl::Hours(1)}), std::nullopt);
  EXPECT_NE(Exact({.max_rss = 1}).Due({.age = absl::Hours(1), .rss_bytes = 1}), std::nullopt);
}

TEST(RecycleTest, NobodyIsReplacedTooYoung) {
  const RecycleLimits limits = Exact({.max_requests = 1,
                                      .max_lifetime = absl::Seconds(20),
                                      .max_rss = 1,
                                      .min_lifetime = absl::Seconds(20)});
  RecycleSample sample{.requests = 10, .age = absl::Milliseconds(19999), .rss_bytes = 10};
  EXPECT_EQ(limits.Due(sample), std::nullopt);
  sample.age = absl::Seconds(20);
  EXPECT_NE(limits.Due(sample), std::nullopt);
}

// The smallest value of `set` that is due, by bisection in [0, limit].
template <typename Set>
double Threshold(const RecycleLimits& limits, double limit, Set set) {
  double low = 0, high = limit;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    RecycleSample sample{.age = absl::Seconds(10)};
    set(sample, middle);
    (limits.Due(sample).has_value() ? high : low) = middle;
  }
  return high / limit;
}

TEST(RecycleTest, LimitsAreDrawnOncePerWorkerAndSpreadBelowTheOption) {
  const RecycleOptions requests{.max_requests = 10000, .jitter = 0.2};
  const RecycleOptions lifetime{.max_lifetime = absl::Hours(1), .jitter = 0.2};
  const RecycleOptions memory{.max_rss = 1000 * kMiB, .jitter = 0.2};
  std::minstd_rand random(7);
  std::vector<double> of_requests, of_lifetime, of_memory;
  for (int i = 0; i < 500; ++i) {
    const RecycleLimits a(requests, random), b(lifetime, random), c(memory, random);
    of_requests.push_back(Threshold(a, 10000, [](RecycleSample& sample, double x) {
      sample.requests = static_cast<uint64_t>(x);
    }));
    of_lifetime.push_back(
        Threshold(b, 3600, [](RecycleSample& sample, double x) { sample.age = absl::Seconds(x); }));
    of_memory.push_back(Threshold(
        c, static_cast<double>(1000 * kMiB),
        [](RecycleSample& sample, double x) { sample.rss_bytes = static_cast<uint64_t>(x); }));
    // The same limits at every call.
    EXPECT_EQ(of_requests.back(), Threshold(a, 10000, [](RecycleSample& sample, double x) {
                sample.requests = static_cast<uint64_t>(x);
              }));
  }
  for (std::vector<double>* drawn : {&of_requests, &of_lifetime, &of_memory}) {
    std::sort(drawn->begin(), drawn->end());
    EXPECT_GE(drawn->front(), 0.7999);
    EXPECT_LT(drawn->front(), 0.81);
    EXPECT_LE(drawn->back(), 1);
    EXPECT_GT(drawn->back(), 0.99);
    EXPECT_NEAR((*drawn)[drawn->size() / 2], 0.9, 0.02);
  }
}

TEST(RecycleTest, ALimitOfOneStaysOne) {
  std::minstd_rand random(1);
  for (int i = 0; i < 100; ++i) {
    const RecycleLimits limits({.max_requests = 1, .jitter = 0.5}, random);
    EXPECT_EQ(limits.Due({.requests = 0, .age = absl::Hours(1)}), std::nullopt);
    EXPECT_NE(limits.Due({.requests = 1, .age = absl::Hours(1)}), std::nullopt);
  }
}

TEST(RecycleOptionsTest, NamesTheFirstThatIsWrong) {
  struct Case {
    RecycleOptions options;
    const char* error;
  };
  for (
      const Case& c : std::vector<Case>{
          {{.max_requests = -1}, "recycle.max_requests must not be negative (0: no limit), not -1"},
          {{.max_rss = -5}, "recycle.max_rss must not be negative (0: no limit), not -5"},
          {{.min_lifetime = absl::Seconds(-1)},
           "recycle.min_lifetime must be finite and not negative, not -1s"},
          {{.min_lifetime = absl::InfiniteDuration()},
           "recycle.min_lifetime must be finite and not negative, not inf"},
          {{.max_lifetime = absl::Seconds(9)},
           "recycle.max_lifetime must be positive and at least recycle.min_lifetime (10s), not 9s"},
          {{.max_lifetime = absl::ZeroDuration(), .min_lifetime = absl::ZeroDuration()},
           "recycle.max_lifetime must be positive"},
          {{.jitter = -0.1}, "recycle.jitter is a fraction between 0 and 0.5, not -0.1"},
          {{.jitter = 0.6}, "recycle.jitter is a fraction between 0 and 0.5, not 0.6"},
          {{.jitter = std::nan("")}, "recycle.jitter is a fraction between 0 and 0.5, not nan"},
      }) {
    EXPECT_THAT(Validate(c.options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.error)));
  }
  EXPECT_THAT(Validate(RecycleOptions{}), IsOk());
}

}  // namespace
}  // namespace squall
