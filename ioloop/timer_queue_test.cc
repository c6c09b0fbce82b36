#include "squall/ioloop/timer_queue.h"

#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/ioloop/timeout.h"

namespace squall::internal {
namespace {

using testing::ElementsAre;

MonotonicTime At(int64_t nanos) { return MonotonicTime::FromNanos(nanos); }

// Returns how many ran.
size_t RunDue(TimerQueue& queue, MonotonicTime now) {
  queue.CollectDue(now);
  size_t ran = 0;
  for (DueTimer due; queue.TakeDue(due); ++ran) due.callback();
  return ran;
}

TEST(TimerQueueTest, RunsWhatIsDueInOrder) {
  TimerQueue queue;
  std::vector<int> order;
  EXPECT_TRUE(queue.NextDeadline().is_infinite());
  queue.Add(At(30), [&] { order.push_back(3); }).Detach();
  queue.Add(At(10), [&] { order.push_back(1); }).Detach();
  queue.Add(At(20), [&] { order.push_back(20); }).Detach();
  queue.Add(At(20), [&] { order.push_back(21); }).Detach();
  EXPECT_EQ(queue.NextDeadline(), At(10));
  EXPECT_EQ(RunDue(queue, At(9)), 0u);
  EXPECT_EQ(RunDue(queue, At(20)), 3u);
  EXPECT_THAT(order, ElementsAre(1, 20, 21));
  EXPECT_EQ(queue.NextDeadline(), At(30));
  EXPECT_EQ(RunDue(queue, At(1000)), 1u);
  EXPECT_TRUE(queue.NextDeadline().is_infinite());
}

TEST(TimerQueueTest, NeverIsNever) {
  TimerQueue queue;
  Timeout never = queue.Add(MonotonicTime::Infinite(), [] { FAIL(); });
  EXPECT_TRUE(never.active());
  EXPECT_TRUE(queue.NextDeadline().is_infinite());
}

TEST(TimerQueueTest, TheHandleCancelsUnlessDetached) {
  TimerQueue queue;
  int ran = 0;
  {
    Timeout dies = queue.Add(At(1), [&] { ran += 1; });
  }
  queue.Add(At(1), [&] { ran += 10; }).Detach();
  Timeout replaced = queue.Add(At(1), [&] { ran += 100; });
  replaced = queue.Add(At(1), [&] { ran += 1000; });
  Timeout moved = std::move(replaced);
  RunDue(queue, At(1));
  EXPECT_EQ(ran, 1010);
  EXPECT_FALSE(moved.active());
}

// test_remove_timeout_after_fire, and from within.
TEST(TimerQueueTest, CancelAfterAndInsideTheCallbackIsHarmless) {
  TimerQueue queue;
  Timeout timeout;
  bool was_active = true;
  timeout = queue.Add(At(1), [&] {
    was_active = timeout.active();
    timeout.Cancel();
  });
  EXPECT_TRUE(timeout.active());
  RunDue(queue, At(1));
  EXPECT_FALSE(was_active);
  timeout.Cancel();
  timeout.Detach();
}

TEST(TimerQueueTest, ACallbackMayReArmItsOwnHandle) {
  TimerQueue queue;
  Timeout timeout;
  int ran = 0;
  struct Again {
    TimerQueue* queue;
    Timeout* timeout;
    int* ran;
    void operator()() {
      ++*ran;
      *timeout = queue->Add(At(0), Again{queue, timeout, ran});
    }
  };
  timeout = queue.Add(At(0), Again{&queue, &timeout, &ran});
  // Due again at once, but not in the same turn.
  EXPECT_EQ(RunDue(queue, At(5)), 1u);
  EXPECT_EQ(RunDue(queue, At(5)), 1u);
  EXPECT_EQ(ran, 2);
}

// test_remove_timeout_from_timeout.
TEST(TimerQueueTest, ADueTimerMayBeCancelledByAnother) {
  TimerQueue queue;
  Timeout second;
  bool ran = false;
  Timeout first = queue.Add(At(1), [&] { second.Cancel(); });
  second = queue.Add(At(1), [&] { ran = true; });
  EXPECT_EQ(RunDue(queue, At(1)), 1u);
  EXPECT_FALSE(ran);
}

TEST(TimerQueueTest, CancellingReleasesTheCallbackAtOnce) {
  TimerQueue queue;
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  Timeout timeout = queue.Add(At(1), [owned = std::move(owned)] {});
  EXPECT_FALSE(watch.expired());
  timeout.Cancel();
  EXPECT_TRUE(watch.expired());
}

// test_remove_timeout_cleanup: arming and cancelling for each request must not pile up.
TEST(TimerQueueTest, CancelledTimersDoNotPileUp) {
  TimerQueue queue;
  Timeout keep = queue.Add(At(1'000'000), [] {});
  for (int i = 0; i < 100'000; ++i) {
    Timeout timeout = queue.Add(At(1'000'000 + i), [] {});
    ASSERT_EQ(queue.size(), 2u);
  }
  EXPECT_TRUE(keep.active());
}

// The destructor of a callable cancels another timer, and makes a new one, at the end of the queue.
struct Meddler {
  ~Meddler() {
    if (queue == nullptr) return;
    other->Cancel();
    queue->Add(At(1), [] { FAIL(); }).Detach();
  }
  TimerQueue* queue;
  Timeout* other;
};

TEST(TimerQueueTest, DestructorsOfCallbacksMayMeddle) {
  Timeout timeouts[200];
  {
    TimerQueue queue;
    for (int i = 0; i < 200; ++i) {
      auto meddler = std::make_shared<Meddler>(Meddler{nullptr, nullptr});
      meddler->queue = &queue;
      meddler->other = &timeouts[(i * 7 + 1) % 200];
      timeouts[i] = queue.Add(At(i), [meddler = std::move(meddler)] {});
    }
    RunDue(queue, At(20));
    timeouts[30].Cancel();
  }
  for (Timeout& timeout : timeouts) EXPECT_FALSE(timeout.active());
}

TEST(TimerQueueTest, HandlesMayOutliveTheQueue) {
  Timeout pending;
  Timeout fired;
  {
    TimerQueue queue;
    fired = queue.Add(At(1), [] {});
    RunDue(queue, At(1));
    pending = queue.Add(At(2), [] { FAIL(); });
  }
  EXPECT_FALSE(pending.active());
  EXPECT_FALSE(fired.active());
}

// A loop that sleeps until NextDeadline() and looks again must come to the timer, however far it is,
// and soon although others of its bucket were cancelled.
TEST(TimerQueueTest, FarTimersAreFoundInFewSteps) {
  for (int bit = 0; bit < 63; ++bit) {
    TimerQueue queue;
    const int64_t far = (int64_t{1} << bit) - 1 + (int64_t{1} << bit);
    bool ran = false;
    queue.CollectDue(At(1));
    queue.Add(At(far), [&ran] { ran = true; }).Detach();
    // Of the same buckets as far as there are any, and earlier.
    for (int earlier = 0; earlier < 60; ++earlier)
      queue.Add(At(far - (far >> earlier)), [] {}).Cancel();
    EXPECT_LE(queue.NextDeadline(), At(far));
    int steps = 0;
    MonotonicTime now;
    for (; !ran; ++steps) {
      ASSERT_LT(steps, 12) << bit;
      now = queue.NextDeadline();
      RunDue(queue, now);
    }
    EXPECT_EQ(now, At(far));
    EXPECT_TRUE(queue.NextDeadline().is_infinite());
    EXPECT_EQ(queue.size(), 0u);
  }
}

TEST(TimerQueueTest, OneTimerIsAwaitedInOneStep) {
  TimerQueue queue;
  queue.CollectDue(At(123'456'789));
  const MonotonicTime deadline = At(123'456'789) + absl::Hours(1000);
  queue.Add(deadline, [] {}).Detach();
  // Is not in the way once it is gone.
  queue.Add(deadline - absl::Hours(1), [] {}).Cancel();
  Timeout alone = queue.Add(At(130'000'000), [] {});
  EXPECT_EQ(queue.NextDeadline(), At(130'000'000));
  alone.Cancel();
  EXPECT_EQ(queue.size(), 1u);
}

TEST(TimerQueueTest, EqualDeadlinesFarAwayRunAsTheyWereAdded) {
  TimerQueue queue;
  std::vector<int> order;
  const int64_t second = 1'000'000'000;
  for (int i = 0; i < 5; ++i)
    queue.Add(At(75 * second), [&order, i] { order.push_back(i); }).Detach();
  RunDue(queue, At(74 * second));
  for (int i = 5; i < 8; ++i)
    queue.Add(At(75 * second), [&order, i] { order.push_back(i); }).Detach();
  queue.Add(At(75 * second - 1), [&order] { order.push_back(-1); }).Detach();
  RunDue(queue, At(76 * second));
  EXPECT_THAT(order, ElementsAre(-1, 0, 1, 2, 3, 4, 5, 6, 7));
}

// Ten thousand timers against a sorted map: random adds, cancels (also of due ones, from callbacks)
// and advances; within a tick, over several, and over hours and years.
class TimerQueueModelTest : public testing::TestWithParam<int64_t> {};

TEST_P(TimerQueueModelTest, AgreesWithAModel) {
  const int64_t scale = GetParam();
  for (const uint32_t seed : {1u, 2u, 3u, 4711u}) {
    std::mt19937 random(seed);
    TimerQueue queue;
    std::vector<Timeout> handles;
    std::map<std::pair<int64_t, int>, int> model;  // (deadline, id) → id
    std::vector<int64_t> deadlines;
    std::vector<int> ran;
    int64_t now = 0;
    const auto cancel = [&](int id) {
      EXPECT_EQ(handles[id].active(), model.erase({deadlines[id], id}) == 1) << id;
      handles[id].Cancel();
    };
    for (int id = 0; id < 10'000; ++id) {
      const int64_t deadline = now + static_cast<int64_t>(random() % 500) * scale;
      deadlines.push_back(deadline);
      model[{deadline, id}] = id;
      const bool cancels_another = random() % 4 == 0;
      handles.push_back(queue.Add(At(deadline), [&, id, cancels_another] {
        ran.push_back(id);
        EXPECT_EQ(model.erase({deadlines[id], id}), 1u) << id;
        if (cancels_another) cancel(random() % handles.size());
      }));
      if (random() % 3 == 0) cancel(random() % handles.size());
      if (random() % 50 == 0) cancel(id);
      if (random() % 20 == 0) {
        now += static_cast<int64_t>(random() % 100) * scale;
        ran.clear();
        RunDue(queue, At(now));
        for (size_t i = 1; i < ran.size(); ++i) {
          ASSERT_LT(std::pair(deadlines[ran[i - 1]], ran[i - 1]),
                    std::pair(deadlines[ran[i]], ran[i]));
        }
        ASSERT_TRUE(model.empty() || model.begin()->first.first > now);
        ASSERT_EQ(queue.size(), model.size());
        const MonotonicTime next =
            model.empty() ? MonotonicTime::Infinite() : At(model.begin()->first.first);
        ASSERT_LE(queue.NextDeadline(), next);
        ASSERT_GT(queue.NextDeadline(), At(now));
        ASSERT_EQ(queue.NextDeadline().is_infinite(), next.is_infinite());
        // All are within the first tick, so in the heap.
        if (scale == 1 && now + 500 < 1 << 20) {
          ASSERT_EQ(queue.NextDeadline(), next);
        }
      }
    }
    RunDue(queue, At(now + 1'000 * scale));
    EXPECT_TRUE(model.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Scales, TimerQueueModelTest,
                         testing::Values(1, 5'000, 300'000, 77'000'000, 60'000'000'000,
                                         20'000'000'000'000));

}  // namespace
}  // namespace squall::internal
