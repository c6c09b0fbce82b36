#include "squall/base/clock.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/fake_clock.h"

namespace squall {
namespace {

TEST(MonotonicTimeTest, ArithmeticAndOrder) {
  const MonotonicTime a = MonotonicTime::FromNanos(1'000);
  EXPECT_EQ((a + absl::Nanoseconds(5)).nanos(), 1'005);
  EXPECT_EQ((a - absl::Nanoseconds(5)).nanos(), 995);
  EXPECT_EQ((a + absl::Seconds(1)) - a, absl::Seconds(1));
  EXPECT_LT(a, a + absl::Nanoseconds(1));
}

TEST(MonotonicTimeTest, SaturatesInsteadOfWrapping) {
  const MonotonicTime a = MonotonicTime::FromNanos(1'000);
  EXPECT_TRUE((a + absl::InfiniteDuration()).is_infinite());
  EXPECT_TRUE((a + absl::Hours(24 * 365 * 400)).is_infinite());
  EXPECT_EQ(a - absl::Hours(24 * 365 * 400), MonotonicTime());
  EXPECT_EQ(a - absl::InfiniteDuration(), MonotonicTime());
  EXPECT_TRUE((MonotonicTime::Infinite() - absl::Seconds(1)).is_infinite());
  EXPECT_EQ(MonotonicTime::Infinite() - a, absl::InfiniteDuration());
  EXPECT_EQ(MonotonicTime::Infinite() - MonotonicTime::Infinite(), absl::ZeroDuration());
}

TEST(ClockTest, RealClockNeverGoesBack) {
  MonotonicTime last = Clock::Real().Now();
  EXPECT_GT(last, MonotonicTime());
  for (int i = 0; i < 1000; ++i) {
    const MonotonicTime now = Clock::Real().Now();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(Clock::Real().WallNow(), absl::FromUnixSeconds(1'700'000'000));
}

TEST(FakeClockTest, MovesOnlyWhenTold) {
  FakeClock clock;
  const MonotonicTime start = clock.Now();
  const absl::Time wall = clock.WallNow();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Milliseconds(1500));
  EXPECT_EQ(clock.Now() - start, absl::Milliseconds(1500));
  EXPECT_EQ(clock.WallNow() - wall, absl::Milliseconds(1500));
  clock.Advance(-absl::Hours(1));
  EXPECT_EQ(clock.Now() - start, absl::Milliseconds(1500));
  EXPECT_LT(clock.WallNow(), wall);
}

}  // namespace
}  // namespace squall
