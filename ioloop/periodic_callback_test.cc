// PeriodicCallback; at the end those tests of Tornado's ioloop_test.py that are about it, under their
// names there.
#include "squall/ioloop/periodic_callback.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/log_capture.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"
#include "squall/ioloop/periodic_schedule.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::SizeIs;

constexpr absl::Duration kShort = absl::Milliseconds(2);

class PeriodicCallbackTest : public internal::LoopFixture {
 protected:
  void RunFor(absl::Duration duration) {
    const Timeout end = loop_.CallLater(duration, [this] { loop_.Stop(); });
    loop_.Start();
  }
};

TEST_F(PeriodicCallbackTest, TheFirstCallIsAPeriodAfterTheStart) {
  int calls = 0;
  PeriodicCallback periodic(absl::Milliseconds(10), [&] {
    ++calls;
    loop_.Stop();
  });
  EXPECT_FALSE(periodic.running());
  const MonotonicTime begin = Clock::Real().Now();
  periodic.Start();
  EXPECT_TRUE(periodic.running());
  Start();
  EXPECT_GE(Clock::Real().Now() - begin, absl::Milliseconds(10));
  EXPECT_EQ(calls, 1);
}

TEST_F(PeriodicCallbackTest, StopAndStartAgain) {
  int calls = 0;
  PeriodicCallback periodic(kShort, [&] {
    ++calls;
    loop_.Stop();
  });
  periodic.Stop();
  periodic.Start();
  Start();
  periodic.Stop();
  EXPECT_FALSE(periodic.running());
  RunFor(3 * kShort);
  EXPECT_EQ(calls, 1);
  periodic.Start();
  periodic.Start();  // one schedule, not two
  Start();
  EXPECT_EQ(calls, 2);
}

TEST_F(PeriodicCallbackTest, StoppedInTheCallback) {
  int calls = 0;
  PeriodicCallback periodic(kShort, [&] {
    ++calls;
    periodic.Stop();
  });
  periodic.Start();
  RunFor(5 * kShort);
  EXPECT_EQ(calls, 1);
}

TEST_F(PeriodicCallbackTest, StartedInTheCallbackItBeginsANewSchedule) {
  std::vector<MonotonicTime> calls;
  PeriodicCallback periodic(kShort, [&] {
    calls.push_back(Clock::Real().Now());
    periodic.Start();
    if (calls.size() == 3) loop_.Stop();
  });
  periodic.Start();
  Start();
  EXPECT_THAT(calls, SizeIs(3));
  EXPECT_GE(calls[1] - calls[0], kShort);
  EXPECT_GE(calls[2] - calls[1], kShort);
}

TEST_F(PeriodicCallbackTest, DestroyedInTheCallback) {
  int calls = 0;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(kShort, [&calls, &periodic, held = std::move(held)] {
    periodic.reset();
    // The callable is still there.
    calls += *held;
  });
  periodic->Start();
  RunFor(5 * kShort);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(watched.expired());
}

TEST_F(PeriodicCallbackTest, DestroyedInTheCallbackThatThrows) {
  LogCapture log;
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(kShort, [&periodic] {
    periodic.reset();
    throw std::runtime_error("boom");
  });
  periodic->Start();
  RunFor(5 * kShort);
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("boom")));
}

TEST_F(PeriodicCallbackTest, DestroyedOutsideOfTheCallback) {
  int calls = 0;
  {
    PeriodicCallback periodic(kShort, [&calls] { ++calls; });
    periodic.Start();
  }
  RunFor(3 * kShort);
  EXPECT_EQ(calls, 0);
}

TEST_F(PeriodicCallbackTest, ExceptionsAreLoggedWithTheLineAndTheCallsGoOn) {
  LogCapture log;
  int calls = 0;
  PeriodicCallback periodic(kShort, [&] {
    if (++calls == 2) loop_.Stop();
    throw std::runtime_error("boom");
  });
  periodic.Start();
  Start();
  EXPECT_THAT(log.messages(), SizeIs(2));
  EXPECT_THAT(log.messages(),
              Each(AllOf(HasSubstr("periodic_callback_test.cc:"), HasSubstr("boom"))));
}

struct Alive {
  explicit Alive(int* count) : count(count) { ++*count; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  ~Alive() { --*count; }
  int* const count;
};

Task<> WaitFor(Event* event, int* calls, int* alive) {
  ++*calls;
  const Alive here(alive);
  const absl::Status set = co_await event->Wait();
}

TEST_F(PeriodicCallbackTest, ACoroutineIsDestroyedWhereItStands) {
  Event event;
  int calls = 0;
  int alive = 0;
  {
    PeriodicCallback periodic(kShort, [&] { return WaitFor(&event, &calls, &alive); });
    periodic.Start();
    RunFor(5 * kShort);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  event.Set();
  RunFor(3 * kShort);
  EXPECT_EQ(calls, 1);
}

TEST_F(PeriodicCallbackTest, ACoroutineThatIsStoppedGoesOn) {
  Event event;
  int calls = 0;
  int alive = 0;
  PeriodicCallback periodic(kShort, [&] { return WaitFor(&event, &calls, &alive); });
  periodic.Start();
  RunFor(3 * kShort);
  periodic.Stop();
  EXPECT_EQ(alive, 1);
  event.Set();
  RunFor(3 * kShort);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(calls, 1);
}

TEST_F(PeriodicCallbackTest, StartedAgainItDoesNotOverlapWithACoroutineThatGoesOn) {
  Event event;
  int calls = 0;
  int alive = 0;
  PeriodicCallback periodic(kShort, [&] { return WaitFor(&event, &calls, &alive); });
  periodic.Start();
  RunFor(3 * kShort);
  periodic.Stop();
  periodic.Start();
  RunFor(3 * kShort);
  EXPECT_EQ(calls, 1);
  event.Set();
  event.Clear();
  while (calls == 1) RunFor(kShort);
  EXPECT_EQ(alive, 1);
}

Task<> ResetAndWait(std::optional<PeriodicCallback>* periodic, int* alive) {
  const Alive here(alive);
  periodic->reset();
  co_await Sleep(absl::Hours(1));
}

TEST_F(PeriodicCallbackTest, DestroyedAtTheBeginningOfACoroutine) {
  int alive = 0;
  int ends = 0;
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(kShort, [&] {
    ++ends;
    return ResetAndWait(&periodic, &alive);
  });
  periodic->Start();
  RunFor(5 * kShort);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(alive, 0);
}

Task<> ThrowLater() {
  co_await Sleep(absl::ZeroDuration());
  throw std::runtime_error("boom");
}

TEST_F(PeriodicCallbackTest, ExceptionsOfACoroutineAreLoggedAndTheCallsGoOn) {
  LogCapture log;
  PeriodicCallback periodic(kShort, ThrowLater);
  periodic.Start();
  while (log.messages().size() < 2) RunFor(kShort);
  EXPECT_THAT(
      log.messages()[0],
      AllOf(HasSubstr("a periodic callback of periodic_callback_test.cc:"), HasSubstr("boom")));
}

Task<> Pass(absl::Duration duration) { co_await Sleep(duration); }

TEST_F(PeriodicCallbackTest, TheLoopEndsFirst) {
  Event event;
  int calls = 0;
  int alive = 0;
  PeriodicCallback plain(kShort, [&] { ++calls; });
  PeriodicCallback coroutine(kShort, [&] { return WaitFor(&event, &calls, &alive); });
  plain.Start();
  coroutine.Start();
  RunFor(3 * kShort);
  EXPECT_EQ(alive, 1);
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive, 0);

  // On the next loop it goes on.
  const int before = calls;
  coroutine.Start();
  EXPECT_TRUE(IOLoop::Current().RunSync(Pass(5 * kShort)).ok());
  EXPECT_EQ(calls, before + 1);
  EXPECT_EQ(alive, 1);
}

TEST_F(PeriodicCallbackTest, ATinyPeriodDoesNotStandStill) {
  int calls = 0;
  PeriodicCallback periodic(absl::Nanoseconds(1), [&] {
    if (++calls == 10) loop_.Stop();
  });
  periodic.Start();
  Start();
  EXPECT_EQ(calls, 10);
}

TEST_F(PeriodicCallbackTest, JitterStaysInItsBounds) {
  std::vector<MonotonicTime> calls;
  internal::PeriodicSchedule schedule(absl::Seconds(10), 0.2);
  EXPECT_EQ((schedule.Next(MonotonicTime(), 0) - MonotonicTime()), absl::Seconds(9));
  schedule.Restart(MonotonicTime());
  EXPECT_EQ((schedule.Next(MonotonicTime(), 1) - MonotonicTime()), absl::Seconds(11));
}

TEST_F(PeriodicCallbackTest, MistakesDie) {
  EXPECT_DEATH(PeriodicCallback(absl::ZeroDuration(), [] {}),
               "PeriodicCallback: the period is 0; it must be positive and finite");
  EXPECT_DEATH(PeriodicCallback(absl::InfiniteDuration(), [] {}), "the period is inf;");
  EXPECT_DEATH(PeriodicCallback(kShort, [] {}, {.jitter = 1.5}),
               "PeriodicCallback: the jitter is 1.5; it must be from 0 to 1");
}

// All vectors of PeriodicCallback._update_next, in seconds.
class TestPeriodicCallbackMath : public testing::Test {
 protected:
  static constexpr absl::Duration kPeriod = absl::Seconds(10);

  static std::vector<double> SimulateCalls(std::vector<double> durations, double jitter = 0,
                                           std::vector<double> random_times = {}) {
    internal::PeriodicSchedule schedule(kPeriod, jitter);
    std::vector<double> calls;
    MonotonicTime now = MonotonicTime() + absl::Seconds(1000);
    schedule.Restart(now);
    random_times.resize(durations.size());
    for (size_t i = 0; i < durations.size(); ++i) {
      const MonotonicTime next = schedule.Next(now, random_times[i]);
      calls.push_back(absl::ToDoubleSeconds(next - MonotonicTime()));
      now = next + absl::Seconds(durations[i]);
    }
    return calls;
  }
};

TEST_F(TestPeriodicCallbackMath, Basic) {
  EXPECT_THAT(SimulateCalls({0, 0, 0, 0, 0}), ElementsAre(1010, 1020, 1030, 1040, 1050));
}

TEST_F(TestPeriodicCallbackMath, Overrun) {
  EXPECT_THAT(SimulateCalls({9, 9, 10, 11, 20, 20, 35, 35, 0, 0, 0}),
              ElementsAre(1010, 1020, 1030,  // on schedule
                          1050, 1070,        // delayed one cycle
                          1100, 1130,        // delayed two
                          1170, 1210,        // delayed three
                          1220, 1230));      // back on schedule
}

TEST_F(TestPeriodicCallbackMath, ClockBackwards) {
  EXPECT_THAT(SimulateCalls({-2, -1, -3, -2, 0}), ElementsAre(1010, 1020, 1030, 1040, 1050));
  EXPECT_THAT(SimulateCalls({-100, 0, 0}), ElementsAre(1010, 1020, 1030));
}

TEST_F(TestPeriodicCallbackMath, Jitter) {
  EXPECT_THAT(SimulateCalls({0, 0, 0, 0}, 0.5, {0.5, 1, 0, 0.75}),
              ElementsAre(1010, 1022.5, 1030, 1041.25));
}

class TestPeriodicCallbackAsync : public internal::LoopFixture {};

TEST_F(TestPeriodicCallbackAsync, PeriodicPlain) {
  int count = 0;
  PeriodicCallback pc(absl::Milliseconds(10), [&] {
    if (++count == 3) loop_.Stop();
  });
  pc.Start();
  Start();
  pc.Stop();
  EXPECT_EQ(count, 3);
}

struct Counts {
  int begun = 0;
  int ended = 0;
  std::vector<MonotonicTime> begins;
};

Task<> CountAround(Counts* counts, PeriodicCallback* pc) {
  ++counts->begun;
  counts->begins.push_back(Clock::Real().Now());
  co_await Sleep(absl::Milliseconds(25));
  if (++counts->ended == 3) {
    pc->Stop();
    IOLoop::Current().AddCallback([] { IOLoop::Current().Stop(); });
  }
}

// periodic_coro is the same in C++.
TEST_F(TestPeriodicCallbackAsync, PeriodicAsync) {
  Counts counts;
  PeriodicCallback pc(absl::Milliseconds(10), [&] { return CountAround(&counts, &pc); });
  pc.Start();
  Start();
  EXPECT_EQ(counts.begun, 3);
  EXPECT_EQ(counts.ended, 3);
  // Each took two and a half cycles, which are skipped.
  for (int i = 1; i < 3; ++i) {
    EXPECT_GE(counts.begins[i] - counts.begins[i - 1], absl::Milliseconds(25));
  }
}

}  // namespace
}  // namespace squall
