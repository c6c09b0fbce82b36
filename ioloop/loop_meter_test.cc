#include "squall/ioloop/loop_meter.h"

#include <sys/eventfd.h>

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace {

constexpr absl::Duration kBlock = absl::Milliseconds(20);

class LoopMeterTest : public internal::LoopFixture {
 protected:
  LoopMeterTest() { loop_.SetMeter(&meter_); }
  ~LoopMeterTest() override { loop_.SetMeter(nullptr); }

  // What a handler does that blocks the loop.
  void Block() {
    meter_.ForgetLongestTurn();
    absl::SleepFor(kBlock);
  }

  // Stops the loop when this turn has ended. A callback that a handler adds still runs in it, one
  // that a callback adds does not.
  void StopAfterThisTurn() {
    loop_.AddCallback([this] { loop_.AddCallback([this] { loop_.Stop(); }); });
  }

  LoopMeter meter_{};
};

TEST_F(LoopMeterTest, CallbacksMakeATurnLong) {
  loop_.AddCallback([this] {
    Block();
    StopAfterThisTurn();
  });
  Start();
  EXPECT_GE(meter_.longest_turn(), kBlock);
}

TEST_F(LoopMeterTest, CallbacksThatAddCallbacksDoNotAddUp) {
  loop_.AddCallback([this] {
    Block();
    loop_.AddCallback([this] {
      absl::SleepFor(kBlock);
      EXPECT_GE(meter_.last_turn(), kBlock);
      meter_.ForgetLongestTurn();
      loop_.AddCallback([this] { StopAfterThisTurn(); });
    });
  });
  Start();
  // Between the two the loop looked at its descriptors. The second began before the reset.
  EXPECT_GE(meter_.longest_turn(), kBlock);
  EXPECT_LT(meter_.longest_turn(), absl::Nanoseconds(meter_.busy_nanos()) - kBlock / 2);
}

TEST_F(LoopMeterTest, TimersMakeATurnLong) {
  const Timeout timer = loop_.CallLater(absl::Milliseconds(1), [this] {
    Block();
    StopAfterThisTurn();
  });
  Start();
  EXPECT_GE(meter_.longest_turn(), kBlock);
}

TEST_F(LoopMeterTest, HandlersMakeATurnLong) {
  UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  ASSERT_TRUE(loop_
                  .AddHandler(event.get(), IOLoop::kRead,
                              [&](uint32_t) {
                                loop_.RemoveHandler(event.get());
                                Block();
                                StopAfterThisTurn();
                              })
                  .ok());
  Start();
  EXPECT_GE(meter_.longest_turn(), kBlock);
}

TEST_F(LoopMeterTest, WaitingIsNoTurn) {
  // On a busy machine the time may be over before the loop comes to wait for it.
  bool seen = false;
  for (int attempt = 0; attempt < 20 && !seen; ++attempt) {
    const absl::Time before = absl::Now();
    const uint64_t busy_before = meter_.busy_nanos();
    const Timeout timer = loop_.CallLater(2 * kBlock, [this] { loop_.Stop(); });
    Start();
    const absl::Duration busy = absl::Nanoseconds(meter_.busy_nanos() - busy_before);
    seen = busy <= absl::Now() - before - kBlock;
  }
  EXPECT_TRUE(seen);
}

TEST_F(LoopMeterTest, CountsEachTurnOnce) {
  int left = 10;
  Timeout timer;
  const std::function<void()> again = [&] {
    timer = loop_.CallLater(absl::Milliseconds(1), [&] { --left > 0 ? again() : loop_.Stop(); });
  };
  again();
  Start();
  // One before each wait; the last timer's does not end.
  EXPECT_GE(meter_.turns(), 10u);
  EXPECT_LE(meter_.turns(), 20u) << "a wait may end a millisecond early";
}

TEST_F(LoopMeterTest, IsIdleWhileItWaitsAndNotWhileItRuns) {
  EXPECT_FALSE(meter_.idle());
  bool was_idle = false;
  std::thread other([&] {
    for (const absl::Time until = absl::Now() + absl::Seconds(20); absl::Now() < until;) {
      if (meter_.idle()) {
        was_idle = true;
        break;
      }
    }
    loop_.AddCallback([this] {
      EXPECT_FALSE(meter_.idle());
      loop_.Stop();
    });
  });
  Start();
  other.join();
  EXPECT_TRUE(was_idle);
  EXPECT_FALSE(meter_.idle());
}

TEST(LoopMeterAloneTest, TheEndOfALoopKeepsWhatOnlyGrows) {
  LoopMeter meter{};
  meter.EndTurn(5);
  meter.EndTurn(3);
  meter.BeginWait();
  EXPECT_EQ(meter.last_turn(), absl::Nanoseconds(3));
  EXPECT_EQ(meter.longest_turn(), absl::Nanoseconds(5));
  meter.EndLoop();
  EXPECT_FALSE(meter.idle());
  EXPECT_EQ(meter.last_turn(), absl::ZeroDuration());
  EXPECT_EQ(meter.longest_turn(), absl::ZeroDuration());
  EXPECT_EQ(meter.turns(), 2u);
  EXPECT_EQ(meter.busy_nanos(), 8u);
}

}  // namespace
}  // namespace squall
