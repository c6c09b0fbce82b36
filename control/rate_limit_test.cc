#include "squall/control/rate_limit.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"

namespace squall::internal {
namespace {

constexpr RateLimit::Rate kRate{.per_second = 10, .burst = 3};

TEST(RateLimit, GivesTheBurstAndThenOneAtATime) {
  RateLimit limit;
  MonotonicTime now = Clock::RealNow();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(now, kRate), absl::ZeroDuration()) << i;
  EXPECT_EQ(limit.Take(now, kRate), absl::Milliseconds(100));
  now += absl::Milliseconds(60);
  EXPECT_EQ(limit.Take(now, kRate), absl::Milliseconds(40)) << "a refusal takes nothing";
  now += absl::Milliseconds(40);
  EXPECT_EQ(limit.Take(now, kRate), absl::ZeroDuration());
  EXPECT_EQ(limit.Take(now, kRate), absl::Milliseconds(100));
}

TEST(RateLimit, IsNeverFullerThanTheBurst) {
  RateLimit limit;
  MonotonicTime now = Clock::RealNow();
  EXPECT_EQ(limit.Take(now, kRate), absl::ZeroDuration());
  now += absl::Hours(24);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(now, kRate), absl::ZeroDuration()) << i;
  EXPECT_GT(limit.Take(now, kRate), absl::ZeroDuration());
}

}  // namespace
}  // namespace squall::internal
