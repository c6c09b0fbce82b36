#include "squall/ioloop/wait_alarm.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {
namespace {

constexpr uint64_t kData = 42;

class WaitAlarmTest : public testing::Test {
 protected:
  int64_t TimeoutFor(MonotonicTime deadline) { return alarm_.TimeoutFor(now_, deadline); }
  // Waits for a ring, at most so long.
  bool Rings(int milliseconds) {
    epoll_event event = {};
    const bool rings = ::epoll_wait(epoll_.get(), &event, 1, milliseconds) == 1;
    EXPECT_EQ(event.data.u64, rings ? kData : 0);
    return rings;
  }

  const UniqueFd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  const MonotonicTime now_ = Clock::RealNow();
  WaitAlarm alarm_{epoll_.get(), kData};
};

TEST_F(WaitAlarmTest, NothingToWaitForNeedsNothing) {
  EXPECT_LT(TimeoutFor(MonotonicTime::Infinite()), 0);
  EXPECT_FALSE(Rings(0));
}

TEST_F(WaitAlarmTest, WhatIsDueIsNotAwaited) {
  EXPECT_EQ(TimeoutFor(now_), 0);
  EXPECT_EQ(TimeoutFor(now_ - absl::Milliseconds(5)), 0);
}

TEST_F(WaitAlarmTest, WhatIsDueSoonIsATimeout) {
  EXPECT_EQ(TimeoutFor(now_ + absl::Milliseconds(1)), 1'000'000);
  EXPECT_FALSE(Rings(5));
}

TEST_F(WaitAlarmTest, RingsOnceAndNotEarly) {
  const MonotonicTime deadline = now_ + absl::Milliseconds(20);
  EXPECT_LT(TimeoutFor(deadline), 0);
  EXPECT_TRUE(Rings(10'000));
  EXPECT_GE(Clock::RealNow(), deadline);
  EXPECT_FALSE(Rings(0));
}

TEST_F(WaitAlarmTest, ALaterDeadlineLeavesItArmed) {
  EXPECT_LT(TimeoutFor(now_ + absl::Milliseconds(20)), 0);
  EXPECT_LT(TimeoutFor(now_ + absl::Hours(1)), 0);
  EXPECT_TRUE(Rings(10'000));
}

TEST_F(WaitAlarmTest, AnEarlierDeadlineArmsItAnew) {
  EXPECT_LT(TimeoutFor(now_ + absl::Hours(1)), 0);
  EXPECT_LT(TimeoutFor(now_ + absl::Milliseconds(20)), 0);
  EXPECT_TRUE(Rings(10'000));
}

TEST_F(WaitAlarmTest, CanBeArmedAfterARing) {
  EXPECT_LT(TimeoutFor(now_ + absl::Milliseconds(5)), 0);
  EXPECT_TRUE(Rings(10'000));
  alarm_.OnRung();
  const MonotonicTime deadline = Clock::RealNow() + absl::Milliseconds(20);
  EXPECT_LT(alarm_.TimeoutFor(Clock::RealNow(), deadline), 0);
  EXPECT_TRUE(Rings(10'000));
  EXPECT_GE(Clock::RealNow(), deadline);
}

TEST_F(WaitAlarmTest, WithoutDescriptorsItIsATimeout) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  WaitAlarm alarm(epoll_.get(), kData);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(alarm.TimeoutFor(now_, now_ + absl::Seconds(1)), 1'000'000'000);
  EXPECT_EQ(alarm.TimeoutFor(now_, now_ + absl::Hours(24)), 3'600'000'000'000);
  EXPECT_FALSE(Rings(0));
}

}  // namespace
}  // namespace squall::internal
