#include "squall/ioloop/loop_stats.h"

#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/log_capture.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/duration_histogram.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"

namespace squall {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::MatchesRegex;

TEST(DurationHistogramTest, CountsInPowersOfTwo) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  histogram.Add(absl::Nanoseconds(-5));
  histogram.Add(absl::Nanoseconds(1023));
  histogram.Add(absl::Nanoseconds(1024));
  histogram.Add(absl::InfiniteDuration());
  EXPECT_EQ(histogram.count(), 4u);
  EXPECT_EQ(histogram.bucket(0), 1u);
  EXPECT_EQ(histogram.bucket(10), 1u);
  EXPECT_EQ(histogram.bucket(11), 1u);
  EXPECT_EQ(histogram.bucket(DurationHistogram::kBuckets - 1), 1u);
  EXPECT_EQ(histogram.Quantile(0), absl::Nanoseconds(1));
  EXPECT_EQ(histogram.Quantile(0.5), absl::Nanoseconds(1024));
  EXPECT_EQ(histogram.Quantile(1), absl::InfiniteDuration());
}

class LoopStatsTest : public internal::LoopFixture {};

TEST_F(LoopStatsTest, CountsWhatTheLoopCalls) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  ASSERT_EQ(::write(writer.get(), "x", 1), 1);
  ASSERT_TRUE(loop_
                  .AddHandler(reader.get(), IOLoop::kRead,
                              [&](uint32_t) { loop_.RemoveHandler(reader.get()); })
                  .ok());
  for (int i = 0; i < 3; ++i) loop_.AddCallback([] {});
  const Timeout stop = loop_.CallLater(absl::Milliseconds(2), [this] { loop_.Stop(); });
  loop_.Start();

  const LoopStats stats = loop_.stats();
  EXPECT_EQ(stats.callbacks, 3u);
  EXPECT_EQ(stats.handlers, 1u);
  EXPECT_EQ(stats.timers, 1u);
  EXPECT_EQ(stats.timer_lag.count(), 1u);
  EXPECT_GE(stats.iterations, 2u);
  EXPECT_GE(stats.turns.count(), 2u);

  loop_.ResetStats();
  EXPECT_EQ(loop_.stats().callbacks, 0u);
  EXPECT_EQ(loop_.stats().longest_callback_name, "");
}

TEST_F(LoopStatsTest, NamesTheLongestCallback) {
  loop_.SetSlowCallbackThreshold(absl::Hours(1));
  loop_.AddCallback([] {});
  loop_.AddCallback([] { absl::SleepFor(absl::Milliseconds(20)); });
  const Timeout stop = loop_.CallLater(absl::Milliseconds(1), [this] { loop_.Stop(); });
  loop_.Start();
  EXPECT_GE(loop_.stats().longest_callback, absl::Milliseconds(20));
  EXPECT_THAT(loop_.stats().longest_callback_name,
              MatchesRegex("a callback of loop_stats_test.cc:[0-9]+ .TestBody."));
}

TEST_F(LoopStatsTest, SlowCallbacksAreLoggedOnceASecond) {
  LogCapture log;
  loop_.SetSlowCallbackThreshold(absl::Milliseconds(10));
  for (int i = 0; i < 3; ++i) {
    loop_.AddCallback([] { absl::SleepFor(absl::Milliseconds(10)); });
  }
  loop_.AddCallback([this] { loop_.Stop(); });
  loop_.Start();
  EXPECT_GE(loop_.stats().slow_callbacks, 3u);
  // One line, or two should the machine have stopped for a second meanwhile.
  EXPECT_LT(log.messages().size(), 3u);
  EXPECT_THAT(log.messages(), Contains(MatchesRegex("W a callback of loop_stats_test.cc:[0-9]+ "
                                                    ".TestBody. held up the loop for [0-9.]+ms")));
}

TEST_F(LoopStatsTest, NothingIsSlowWithoutAThreshold) {
  LogCapture log;
  loop_.AddCallback([this] {
    absl::SleepFor(absl::Milliseconds(150));
    loop_.Stop();
  });
  loop_.Start();
  EXPECT_EQ(loop_.stats().slow_callbacks, 0u);
  EXPECT_EQ(loop_.stats().longest_callback_name, "");
  EXPECT_THAT(log.messages(), IsEmpty());
}

// The best of many, for a busy machine may hold up most of them.
TEST_F(LoopStatsTest, TimersBelowAMillisecondAreNotRoundedUp) {
  int left = 101;
  Timeout timer;
  struct Rearm {
    static void Run(IOLoop* loop, Timeout* timer, int* left) {
      if (--*left == 0) return loop->Stop();
      *timer = loop->CallLater(absl::Microseconds(100), [=] { Run(loop, timer, left); });
    }
  };
  Rearm::Run(&loop_, &timer, &left);
  loop_.Start();
  EXPECT_EQ(loop_.stats().timers, 100u);
  // Rounded up to whole milliseconds every one would be 0.9 ms late.
  EXPECT_LT(loop_.stats().timer_lag.Quantile(0.05), absl::Microseconds(600));
}

TEST_F(LoopStatsTest, WhatRunsBeforeATimerMakesItLate) {
  const MonotonicTime due = Clock::Real().Now();
  const Timeout slow = loop_.CallAt(due, [] { absl::SleepFor(absl::Milliseconds(20)); });
  const Timeout late = loop_.CallAt(due, [this] { loop_.Stop(); });
  loop_.Start();
  EXPECT_EQ(loop_.stats().timer_lag.count(), 2u);
  EXPECT_GE(loop_.stats().timer_lag.Quantile(1), absl::Milliseconds(20));

  loop_.ResetStats();
  Timeout stop;
  loop_.AddCallback([this, &stop] {
    loop_.AddCallback([] { absl::SleepFor(absl::Milliseconds(20)); });
    stop = loop_.CallLater(absl::ZeroDuration(), [this] { loop_.Stop(); });
  });
  loop_.Start();
  EXPECT_EQ(loop_.stats().timer_lag.count(), 1u);
  EXPECT_GE(loop_.stats().timer_lag.Quantile(1), absl::Milliseconds(20));
}

}  // namespace
}  // namespace squall
