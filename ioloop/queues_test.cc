// Tornado's queues_test.py, each test under its name there; what squall adds is in
// queues_destroyed_test.cc.
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using internal::Future;
using testing::ElementsAre;
using testing::Pair;

constexpr absl::Duration kShort = absl::Milliseconds(10);
// For what must not time out, also when the machine is busy.
constexpr absl::Duration kLong = absl::Seconds(20);

class QueuesFixture : public internal::FutureFixture {
 protected:
  using GetFuture = Future<absl::StatusOr<int>>;
  using PutFuture = Future<absl::Status>;

  template <typename Q>
  static PutFuture Put(Q& queue, int item, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&queue, item, timeout] { return queue.Put(item, timeout); });
  }
  template <typename Q>
  static GetFuture Get(Q& queue, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&queue, timeout] { return queue.Get(timeout); });
  }
  template <typename Q>
  static void PutNowait(Q& queue, std::vector<int> items) {
    for (int item : items) ASSERT_THAT(queue.PutNowait(item), IsOk());
  }
};

class QueueBasicTest : public QueuesFixture {};

TEST_F(QueueBasicTest, Order) {
  Queue<int> queue;
  PutNowait(queue, {1, 3, 2});
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(1));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(3));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(2));
}

TEST_F(QueueBasicTest, Maxsize) {
  Queue<int> queue(2);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.full());
  EXPECT_EQ(queue.max_size(), 2);
  EXPECT_TRUE(Put(queue, 0).done());
  EXPECT_TRUE(Put(queue, 1).done());
  EXPECT_FALSE(queue.empty());
  EXPECT_TRUE(queue.full());
  auto put2 = Put(queue, 2);
  EXPECT_FALSE(put2.done());
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(0));  // Makes room.
  RunBriefly();
  EXPECT_TRUE(put2.done());
  EXPECT_FALSE(queue.empty());
  EXPECT_TRUE(queue.full());
  EXPECT_EQ(queue.size(), 2);
}

class QueueGetTest : public QueuesFixture {};

TEST_F(QueueGetTest, BlockingGet) {
  Queue<int> queue;
  PutNowait(queue, {0});
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(0));
}

TEST_F(QueueGetTest, NonblockingGet) {
  Queue<int> queue;
  PutNowait(queue, {0});
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
}

TEST_F(QueueGetTest, NonblockingGetException) {
  Queue<int> queue;
  EXPECT_THAT(queue.GetNowait(),
              StatusIs(absl::StatusCode::kUnavailable, "Queue::GetNowait: the queue is empty"));
}

TEST_F(QueueGetTest, GetWithPutters) {
  Queue<int> queue(1);
  PutNowait(queue, {0});
  auto put = Put(queue, 1);
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(0));
  RunBriefly();
  EXPECT_THAT(put.result(), IsOk());
}

TEST_F(QueueGetTest, BlockingGetWait) {
  Queue<int> queue;
  PutNowait(queue, {0});
  loop_.CallLater(kShort, [&] { PutNowait(queue, {1}); }).Detach();
  loop_.CallLater(2 * kShort, [&] { PutNowait(queue, {2}); }).Detach();
  EXPECT_THAT(Get(queue, kLong).result(), IsOkAndHolds(0));
  auto get1 = Get(queue, kLong);
  auto get2 = Get(queue, kLong);
  while (!get2.done()) RunFor(kShort);
  EXPECT_THAT(get1.result(), IsOkAndHolds(1));
  EXPECT_THAT(get2.result(), IsOkAndHolds(2));
}

TEST_F(QueueGetTest, GetTimeout) {
  Queue<int> queue;
  auto get_timeout = Get(queue, kShort);
  auto get = Get(queue);
  while (!get_timeout.done()) RunFor(kShort);
  EXPECT_THAT(get_timeout.result(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                             "Queue::Get: there was no item within 10ms"));
  PutNowait(queue, {0});
  RunBriefly();
  EXPECT_THAT(get.result(), IsOkAndHolds(0));
}

TEST_F(QueueGetTest, GetTimeoutPreempted) {
  Queue<int> queue;
  // Both are due in one iteration, the item first.
  loop_.CallLater(kShort, [&] { PutNowait(queue, {0}); }).Detach();
  auto get = Get(queue, 2 * kShort);
  absl::SleepFor(3 * kShort);
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(get.result(), IsOkAndHolds(0));
}

TEST_F(QueueGetTest, GetClearsTimedOutPutters) {
  Queue<int> queue(1);
  std::vector<PutFuture> putters;
  for (int i = 0; i < 10; ++i) putters.push_back(Put(queue, i, kShort));
  auto put = Put(queue, 10);
  while (!putters.back().done()) RunFor(kShort);
  EXPECT_FALSE(put.done());
  auto last = Put(queue, 11);
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(0));
  RunBriefly();
  EXPECT_TRUE(put.done());
  EXPECT_FALSE(last.done());
  for (size_t i = 1; i < putters.size(); ++i) {
    EXPECT_THAT(putters[i].result(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                              "Queue::Put: there was no room within 10ms"));
  }
}

TEST_F(QueueGetTest, GetClearsTimedOutGetters) {
  Queue<int> queue;
  std::vector<GetFuture> getters;
  for (int i = 0; i < 10; ++i) getters.push_back(Get(queue, kShort));
  auto get = Get(queue);
  while (!getters.back().done()) RunFor(kShort);
  EXPECT_FALSE(get.done());
  auto last = Get(queue);
  PutNowait(queue, {7});
  RunBriefly();
  EXPECT_THAT(get.result(), IsOkAndHolds(7));
  EXPECT_FALSE(last.done());
  for (GetFuture& getter : getters) {
    EXPECT_THAT(getter.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

class QueuePutTest : public QueuesFixture {};

TEST_F(QueuePutTest, BlockingPut) {
  Queue<int> queue;
  EXPECT_THAT(Put(queue, 0).result(), IsOk());
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
}

TEST_F(QueuePutTest, NonblockingPutException) {
  Queue<int> queue(1);
  EXPECT_THAT(Put(queue, 0).result(), IsOk());
  EXPECT_THAT(queue.PutNowait(1), StatusIs(absl::StatusCode::kResourceExhausted,
                                           "Queue::PutNowait: the queue is full"));
}

TEST_F(QueuePutTest, PutWithGetters) {
  Queue<int> queue;
  auto get0 = Get(queue);
  auto get1 = Get(queue);
  EXPECT_THAT(Put(queue, 0).result(), IsOk());
  RunBriefly();
  EXPECT_THAT(get0.result(), IsOkAndHolds(0));
  EXPECT_THAT(Put(queue, 1).result(), IsOk());
  RunBriefly();
  EXPECT_THAT(get1.result(), IsOkAndHolds(1));
}

TEST_F(QueuePutTest, NonblockingPutWithGetters) {
  Queue<int> queue;
  auto get0 = Get(queue);
  auto get1 = Get(queue);
  PutNowait(queue, {0});
  EXPECT_FALSE(get0.done());
  RunBriefly();
  EXPECT_THAT(get0.result(), IsOkAndHolds(0));
  PutNowait(queue, {1});
  EXPECT_FALSE(get1.done());
  RunBriefly();
  EXPECT_THAT(get1.result(), IsOkAndHolds(1));
}

TEST_F(QueuePutTest, BlockingPutWait) {
  Queue<int> queue(1);
  PutNowait(queue, {0});
  auto get = [&queue] { EXPECT_THAT(queue.GetNowait(), IsOk()); };
  loop_.CallLater(kShort, get).Detach();
  loop_.CallLater(2 * kShort, get).Detach();
  auto put0 = Put(queue, 0);
  auto put1 = Put(queue, 1);
  EXPECT_FALSE(put0.done());
  EXPECT_FALSE(put1.done());
  while (!put1.done()) RunFor(kShort);
  EXPECT_THAT(put0.result(), IsOk());
  EXPECT_THAT(put1.result(), IsOk());
}

TEST_F(QueuePutTest, PutTimeout) {
  Queue<int> queue(1);
  PutNowait(queue, {0});
  auto put_timeout = Put(queue, 1, kShort);
  auto put = Put(queue, 2);
  while (!put_timeout.done()) RunFor(kShort);
  EXPECT_THAT(put_timeout.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  // 1 was never put in the queue.
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(2));
  RunBriefly();
  EXPECT_THAT(put.result(), IsOk());
}

TEST_F(QueuePutTest, PutTimeoutPreempted) {
  Queue<int> queue(1);
  PutNowait(queue, {0});
  // Both are due in one iteration, the room first.
  loop_.CallLater(kShort, [&] { EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0)); }).Detach();
  auto put = Put(queue, 1, 2 * kShort);
  absl::SleepFor(3 * kShort);
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(put.result(), IsOk());
}

TEST_F(QueuePutTest, PutClearsTimedOutPutters) {
  Queue<int> queue(1);
  std::vector<PutFuture> putters;
  for (int i = 0; i < 10; ++i) putters.push_back(Put(queue, i, kShort));
  auto put = Put(queue, 10);
  while (!putters.back().done()) RunFor(kShort);
  EXPECT_FALSE(put.done());
  auto last = Put(queue, 11);
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(10));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(11));
  EXPECT_TRUE(queue.empty());
}

TEST_F(QueuePutTest, PutClearsTimedOutGetters) {
  Queue<int> queue;
  std::vector<GetFuture> getters;
  for (int i = 0; i < 10; ++i) getters.push_back(Get(queue, kShort));
  auto get = Get(queue);
  auto last = Get(queue);
  while (!getters.back().done()) RunFor(kShort);
  EXPECT_FALSE(get.done());
  EXPECT_THAT(Put(queue, 0).result(), IsOk());
  RunBriefly();
  EXPECT_THAT(get.result(), IsOkAndHolds(0));
  EXPECT_FALSE(last.done());
}

template <typename Q>
class QueueJoinTest : public QueuesFixture {
 protected:
  static auto Join(Q& queue, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&queue, timeout] { return queue.Join(timeout); });
  }
  static Task<> Worker(Q* queue, int* accumulator) {
    while (true) {
      const absl::StatusOr<int> item = co_await queue->Get();
      *accumulator += *item;
      EXPECT_THAT(queue->TaskDone(), IsOk());
      co_await Sleep(absl::Microseconds(*item * 10));
    }
  }
};

using Queues = testing::Types<Queue<int>, PriorityQueue<int>, LifoQueue<int>>;
TYPED_TEST_SUITE(QueueJoinTest, Queues);

TYPED_TEST(QueueJoinTest, TaskDoneUnderflow) {
  TypeParam queue;
  EXPECT_THAT(queue.TaskDone(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         "Queue::TaskDone: called more often than items were put"));
}

TYPED_TEST(QueueJoinTest, TaskDone) {
  TypeParam queue;
  for (int i = 0; i < 100; ++i) ASSERT_THAT(queue.PutNowait(i), IsOk());
  int accumulator = 0;
  this->loop_.Spawn(this->Worker(&queue, &accumulator));
  this->loop_.Spawn(this->Worker(&queue, &accumulator));
  auto join = this->Join(queue);
  auto join_too = this->Join(queue);
  while (!join.done()) this->RunFor(kShort);
  EXPECT_EQ(accumulator, 4950);
  EXPECT_TRUE(join_too.done());
  IOLoop::ClearCurrent();
}

TYPED_TEST(QueueJoinTest, TaskDoneDelay) {
  TypeParam queue;
  ASSERT_THAT(queue.PutNowait(0), IsOk());
  auto join = this->Join(queue);
  EXPECT_FALSE(join.done());
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  this->RunBriefly();
  EXPECT_FALSE(join.done());
  EXPECT_THAT(queue.TaskDone(), IsOk());
  this->RunBriefly();
  EXPECT_THAT(join.result(), IsOk());
}

TYPED_TEST(QueueJoinTest, JoinEmptyQueue) {
  TypeParam queue;
  EXPECT_THAT(this->Join(queue).result(), IsOk());
  EXPECT_THAT(this->Join(queue).result(), IsOk());
}

TYPED_TEST(QueueJoinTest, JoinTimeout) {
  TypeParam queue;
  ASSERT_THAT(queue.PutNowait(0), IsOk());
  auto join = this->Join(queue, kShort);
  while (!join.done()) this->RunFor(kShort);
  EXPECT_THAT(join.result(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                      "Queue::Join: not all items were done within 10ms"));
}

class PriorityQueueJoinTest : public QueuesFixture {};

TEST_F(PriorityQueueJoinTest, Order) {
  using Item = std::pair<int, std::string>;
  PriorityQueue<Item> queue(2);
  ASSERT_THAT(queue.PutNowait({1, "a"}), IsOk());
  ASSERT_THAT(queue.PutNowait({0, "b"}), IsOk());
  EXPECT_TRUE(queue.full());
  auto put3 = Begin([&] { return queue.Put({3, "c"}); });
  auto put2 = Begin([&] { return queue.Put({2, "d"}); });
  auto get = [&queue] { return queue.Get(); };
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(Pair(0, "b")));
  EXPECT_THAT(Begin(get).result(), IsOkAndHolds(Pair(1, "a")));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(Pair(2, "d")));
  EXPECT_THAT(Begin(get).result(), IsOkAndHolds(Pair(3, "c")));
  EXPECT_TRUE(queue.empty());
}

class LifoQueueJoinTest : public QueuesFixture {};

TEST_F(LifoQueueJoinTest, Order) {
  LifoQueue<int> queue(2);
  PutNowait(queue, {1, 0});
  EXPECT_TRUE(queue.full());
  auto put3 = Put(queue, 3);
  auto put2 = Put(queue, 2);
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(3));
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(2));
  EXPECT_THAT(queue.GetNowait(), IsOkAndHolds(0));
  EXPECT_THAT(Get(queue).result(), IsOkAndHolds(1));
  EXPECT_TRUE(queue.empty());
}

class ProducerConsumerTest : public QueuesFixture {};

Task<> Consume(Queue<int>* queue, std::vector<int>* history) {
  while (true) {
    const absl::StatusOr<int> item = co_await queue->Get();
    if (!item.ok()) co_return;
    history->push_back(*item);
    EXPECT_THAT(queue->TaskDone(), IsOk());
  }
}

Task<absl::Status> ProduceAndJoin(Queue<int>* queue) {
  for (int item = 0; item < 10; ++item) {
    const absl::Status put = co_await queue->Put(item);
    if (!put.ok()) co_return put;
  }
  co_return co_await queue->Join();
}

TEST_F(ProducerConsumerTest, ProducerConsumer) {
  Queue<int> queue(3);
  std::vector<int> history;
  loop_.Spawn(Consume(&queue, &history));
  EXPECT_THAT(loop_.RunSync(ProduceAndJoin(&queue)), IsOk());
  EXPECT_THAT(history, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

}  // namespace
}  // namespace squall
