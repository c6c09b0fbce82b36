// Producers, consumers, queues and loops that are destroyed before their time; and what else
// queues_test.cc, which is Tornado's, does not say.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::Field;
using testing::Pointee;

class QueuesDestroyedTest : public internal::FutureFixture {
 protected:
  template <typename Q>
  static auto Put(Q& queue, int item, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&queue, item, timeout] { return queue.Put(item, timeout); });
  }
  template <typename Q>
  static auto Get(Q& queue, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&queue, timeout] { return queue.Get(timeout); });
  }
};

TEST_F(QueuesDestroyedTest, AProducersItemDiesWithIt) {
  Queue<int> queue(1);
  ASSERT_THAT(queue.PutNowait(0), IsOk());
  auto first = Put(queue, 1);
  auto second = Put(queue, 2);
  first.Destroy();
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(2));
}

TEST_F(QueuesDestroyedTest, AProducersItemStaysOnceItIsIn) {
  Queue<int> queue(1);
  ASSERT_THAT(queue.PutNowait(0), IsOk());
  auto put = Put(queue, 1);
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  put.Destroy();
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(1));
}

TEST_F(QueuesDestroyedTest, AnItemGoesToTheNextConsumer) {
  Queue<int> queue;
  auto first = Get(queue);
  auto second = Get(queue);
  auto third = Get(queue);
  ASSERT_THAT(queue.PutNowait(1), IsOk());
  first.Destroy();
  RunBriefly();
  EXPECT_THAT(second.result(), IsOkAndHolds(1));
  EXPECT_FALSE(third.done());
}

template <typename Q>
class GiveBackTest : public QueuesDestroyedTest {};

using Queues = testing::Types<Queue<int>, PriorityQueue<int>, LifoQueue<int>>;
TYPED_TEST_SUITE(GiveBackTest, Queues);

TYPED_TEST(GiveBackTest, AnItemIsTheNextAgain) {
  TypeParam queue(1);
  auto get = this->Get(queue);
  ASSERT_THAT(queue.PutNowait(1), IsOk());
  get.Destroy();
  EXPECT_EQ(queue.size(), 1);
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(1));
  // It counts once.
  EXPECT_THAT(queue.TaskDone(), IsOk());
  EXPECT_THAT(queue.TaskDone(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TYPED_TEST(GiveBackTest, AboveMaxSizeNobodyIsLetInUntilThereIsRoom) {
  TypeParam queue(1);
  auto get = this->Get(queue);
  ASSERT_THAT(queue.PutNowait(1), IsOk());
  ASSERT_THAT(queue.PutNowait(2), IsOk());
  auto put = this->Put(queue, 3);
  get.Destroy();
  EXPECT_EQ(queue.size(), 2);
  EXPECT_THAT(queue.GetNowait(), IsOk());
  EXPECT_EQ(queue.size(), 1);
  this->RunBriefly();
  EXPECT_FALSE(put.done());
  EXPECT_THAT(queue.GetNowait(), IsOk());
  EXPECT_EQ(queue.size(), 1);
  this->RunBriefly();
  EXPECT_TRUE(put.done());
  EXPECT_THAT(queue.GetNowait(), IsOk());
  EXPECT_TRUE(queue.empty());
}

TEST_F(QueuesDestroyedTest, FifoOrderAfterGivingBack) {
  Queue<int> queue;
  auto get = Get(queue);
  for (int i = 1; i <= 3; ++i) ASSERT_THAT(queue.PutNowait(i), IsOk());
  get.Destroy();
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(i));
}

TEST_F(QueuesDestroyedTest, QueueBeforeItsWaiters) {
  auto queue = std::make_unique<Queue<int>>(1);
  auto get_granted = Get(*queue);
  auto get_granted_and_destroyed = Get(*queue);
  ASSERT_THAT(queue->PutNowait(1), IsOk());
  ASSERT_THAT(queue->PutNowait(2), IsOk());
  ASSERT_THAT(queue->PutNowait(3), IsOk());
  auto put = Put(*queue, 4, absl::Hours(1));
  auto join = Begin([&] { return queue->Join(); });
  queue.reset();
  get_granted_and_destroyed.Destroy();
  RunBriefly();
  EXPECT_THAT(get_granted.result(), IsOkAndHolds(1));
  EXPECT_THAT(put.result(), StatusIs(absl::StatusCode::kCancelled,
                                     "Queue::Put: what was waited for has been destroyed"));
  EXPECT_THAT(join.result(), StatusIs(absl::StatusCode::kCancelled));

  queue = std::make_unique<Queue<int>>();
  auto get = Get(*queue);
  queue.reset();
  RunBriefly();
  EXPECT_THAT(get.result(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(QueuesDestroyedTest, MoveOnlyItems) {
  Queue<std::unique_ptr<int>> queue(1);
  auto get = Begin([&] { return queue.Get(); });
  auto put = Begin([&] { return queue.Put(std::make_unique<int>(1)); });
  RunBriefly();
  EXPECT_THAT(get.result(), IsOkAndHolds(Pointee(1)));

  auto item = std::make_unique<int>(2);
  EXPECT_THAT(queue.PutNowait(std::move(item)), IsOk());
  item = std::make_unique<int>(3);
  EXPECT_THAT(queue.PutNowait(std::move(item)), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(item, Pointee(3));  // What found no room is still there.

  auto late = Begin([&] { return queue.Put(std::move(item)); });
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(Pointee(2)));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(Pointee(3)));
}

struct Job {
  int priority;
  std::string name;
};
struct ByPriority {
  bool operator()(const Job& a, const Job& b) const { return a.priority < b.priority; }
};

TEST_F(QueuesDestroyedTest, EqualPrioritiesLeaveInTheirOrder) {
  PriorityQueue<Job, ByPriority> queue;
  auto get = Begin([&] { return queue.Get(); });
  ASSERT_THAT(queue.PutNowait({1, "first"}), IsOk());
  for (const char* name : {"second", "third", "fourth", "fifth"}) {
    ASSERT_THAT(queue.PutNowait({1, name}), IsOk());
  }
  ASSERT_THAT(queue.PutNowait({0, "urgent"}), IsOk());
  get.Destroy();  // Gives the first back.
  for (const char* name : {"urgent", "first", "second", "third", "fourth", "fifth"}) {
    EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(Field(&Job::name, name)));
  }
}

Task<> Pass(Queue<std::unique_ptr<int>>* from, Queue<std::unique_ptr<int>>* to) {
  while (true) {
    absl::StatusOr<std::unique_ptr<int>> item = co_await from->Get(absl::Hours(1));
    if (!item.ok()) co_return;
    const absl::Status put = co_await to->Put(*std::move(item));
    if (!put.ok()) co_return;
  }
}

TEST_F(QueuesDestroyedTest, LoopBeforeSuspendedProducersAndConsumers) {
  Queue<std::unique_ptr<int>> a(1);
  Queue<std::unique_ptr<int>> b(1);
  for (int i = 0; i < 5; ++i) loop_.Spawn(Pass(&a, &b));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(a.PutNowait(std::make_unique<int>(i)), IsOk());
  RunBriefly();
  EXPECT_THAT(a.PutNowait(std::make_unique<int>(5)), IsOk());
  IOLoop::ClearCurrent();
  EXPECT_THAT(b.GetNowait(), IsOkAndHolds(Pointee(0)));
}

// A queue of tasks whose destruction comes back to the queue.
Task<> WaitForItem(Queue<Task<>>* queue) { (void)co_await queue->Get(); }

TEST_F(QueuesDestroyedTest, ItemsThatAreTasks) {
  Queue<Task<>> queue;
  ASSERT_THAT(queue.PutNowait(WaitForItem(&queue)), IsOk());
  ASSERT_THAT(queue.PutNowait(WaitForItem(&queue)), IsOk());
  absl::StatusOr<Task<>> task = queue.GetNowait();
  EXPECT_THAT(loop_.RunSync(*std::move(task)), IsOk());
}

}  // namespace
}  // namespace squall
