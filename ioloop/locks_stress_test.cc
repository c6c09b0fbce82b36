// Coroutines at random on the locks and queues: they come, wait, time out, hold, leave, and are
// destroyed at any point, at last with their loop. Run it with --config=asan; each seed is printed
// before it is used, so the last one is the one that failed.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/condition.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/lock.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/semaphore.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

constexpr uint32_t kSeeds = 60;
constexpr int kSteps = 400;

class LocksStressTest : public internal::FutureFixture {
 protected:
  void Seed(uint32_t seed) {
    std::cout << "seed " << seed << std::endl;
    random_.seed(seed);
  }
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  absl::Duration RandomTimeout() {
    switch (Below(4)) {
      case 0:
        return absl::Microseconds(Below(500));
      case 1:
        return absl::ZeroDuration();
      case 2:
        return absl::Hours(1);
      default:
        return absl::InfiniteDuration();
    }
  }

  // Half of them can be destroyed, half belong to the loop.
  void StartTask(Task<> task) {
    if (Below(2) == 0) {
      IOLoop::Current().Spawn(std::move(task));
      return;
    }
    tasks_.push_back(std::make_unique<internal::DetachedList>());
    tasks_.back()->Start(std::move(task));
  }
  void DestroyOne() {
    if (tasks_.empty()) return;
    const size_t victim = static_cast<size_t>(Below(static_cast<int>(tasks_.size())));
    std::swap(tasks_[victim], tasks_.back());
    tasks_.pop_back();
  }
  void Turn() {
    IOLoop& loop = IOLoop::Current();
    loop.AddCallback([&loop] { loop.Stop(); });
    loop.Start();
  }
  void DestroyAll() {
    if (Below(2) == 0) tasks_.clear();
    IOLoop::ClearCurrent();
    tasks_.clear();
  }

  std::minstd_rand random_;

 private:
  std::vector<std::unique_ptr<internal::DetachedList>> tasks_;
};

// Keeps count of those inside.
struct Inside {
  explicit Inside(int* count) : count(count) { ++*count; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { --*count; }
  int* count;
};

struct Line {
  int64_t next_ticket = 0;
  int64_t last_served = -1;
};

template <typename S>
Task<> Hold(S* semaphore, int limit, int turns, absl::Duration timeout, int* inside, Line* line) {
  const int64_t ticket = line->next_ticket++;
  const bool waits = semaphore->available() == 0;
  absl::StatusOr<SemaphorePermit> permit = co_await semaphore->Acquire(timeout);
  if (!permit.ok()) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(permit.status())) << permit.status();
    co_return;
  }
  if (waits) {
    // First come, first served.
    EXPECT_GT(ticket, line->last_served);
    line->last_served = ticket;
  }
  const Inside counted(inside);
  EXPECT_LE(*inside, limit);
  for (int i = 0; i < turns; ++i) co_await Sleep(absl::ZeroDuration());
}

TEST_F(LocksStressTest, Semaphore) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Seed(seed);
    const int limit = 1 + Below(4);
    int inside = 0;
    Line line;
    BoundedSemaphore semaphore(limit);
    for (int step = 0; step < kSteps; ++step) {
      switch (Below(4)) {
        case 0:
        case 1:
          StartTask(Hold(&semaphore, limit, Below(4), RandomTimeout(), &inside, &line));
          break;
        case 2:
          DestroyOne();
          break;
        default:
          Turn();
      }
      ASSERT_LE(inside + semaphore.available(), limit);
    }
    DestroyAll();
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(semaphore.available(), limit);
  }
}

TEST_F(LocksStressTest, LockThatIsDestroyedFirst) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Seed(seed);
    int inside = 0;
    auto lock = std::make_unique<Lock>();
    const auto hold = [](Lock* lock, int turns, int* inside) -> Task<> {
      const absl::StatusOr<Lock::Guard> guard = co_await lock->Acquire();
      if (!guard.ok()) co_return;
      const Inside counted(inside);
      for (int i = 0; i < turns; ++i) co_await Sleep(absl::ZeroDuration());
    };
    const int tasks = Below(10);
    for (int i = 0; i < tasks; ++i) StartTask(hold(lock.get(), Below(4), &inside));
    for (int turns = Below(5); turns > 0; --turns) Turn();
    lock.reset();
    if (Below(2) == 0) DestroyOne();
    if (Below(2) == 0) Turn();
    DestroyAll();
    EXPECT_EQ(inside, 0);
  }
}

struct Counts {
  int notified = 0;
  int timed_out = 0;
};

Task<> WaitForNotification(Condition* condition, absl::Duration timeout, Counts* counts) {
  const absl::Status status = co_await condition->Wait(timeout);
  ++(status.ok() ? counts->notified : counts->timed_out);
}

TEST_F(LocksStressTest, Condition) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Seed(seed);
    Counts counts;
    Condition condition;
    int notifications = 0;
    for (int step = 0; step < kSteps; ++step) {
      switch (Below(6)) {
        case 0:
        case 1:
          StartTask(WaitForNotification(&condition, RandomTimeout(), &counts));
          break;
        case 2:
          notifications += 2;
          condition.Notify(2);
          break;
        case 3:
          DestroyOne();
          break;
        default:
          Turn();
      }
      ASSERT_LE(counts.notified, notifications);
    }
    // With one who waits for each of them, no notification that is under way is lost.
    Turn();
    Turn();
    const int before = counts.notified;
    for (int i = 0; i < 10; ++i) {
      StartTask(WaitForNotification(&condition, absl::InfiniteDuration(), &counts));
    }
    condition.Notify(5);
    for (int i = 0; i < 5; ++i) DestroyOne();
    Turn();
    EXPECT_LE(counts.notified - before, 5);
    DestroyAll();
  }
}

TEST_F(LocksStressTest, Event) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Seed(seed);
    int set = 0;
    int started = 0;
    auto event = std::make_unique<Event>();
    const auto wait = [](Event* event, absl::Duration timeout, int* done) -> Task<> {
      (void)co_await event->Wait(timeout);
      ++*done;
    };
    for (int step = 0; step < kSteps; ++step) {
      switch (Below(6)) {
        case 0:
          event->Set();
          break;
        case 1:
          event->Clear();
          break;
        case 2:
          DestroyOne();
          break;
        case 3:
          Turn();
          break;
        default:
          ++started;
          StartTask(wait(event.get(), RandomTimeout(), &set));
      }
      ASSERT_LE(set, started);
    }
    if (Below(2) == 0) event.reset();
    DestroyAll();
  }
}

struct Items {
  std::set<int> refused;   // Put said no, or the producer timed out.
  std::set<int> accepted;  // Put said OK.
  std::set<int> got;
};

template <typename Q>
Task<> Produce(Q* queue, int item, absl::Duration timeout, Items* items) {
  const absl::Status put = co_await queue->Put(std::make_unique<int>(item), timeout);
  (put.ok() ? items->accepted : items->refused).insert(item);
}

template <typename Q>
Task<> ConsumeOne(Q* queue, absl::Duration timeout, Items* items) {
  const absl::StatusOr<std::unique_ptr<int>> item = co_await queue->Get(timeout);
  if (!item.ok()) co_return;
  EXPECT_TRUE(items->got.insert(**item).second) << "item " << **item << " came twice";
  EXPECT_TRUE(queue->TaskDone().ok());
}

template <typename Q>
class QueuesStressTest : public LocksStressTest {};

struct PointeeLess {
  bool operator()(const std::unique_ptr<int>& a, const std::unique_ptr<int>& b) const {
    return *a < *b;
  }
};

using Item = std::unique_ptr<int>;
using Queues = testing::Types<Queue<Item>, PriorityQueue<Item, PointeeLess>, LifoQueue<Item>>;
TYPED_TEST_SUITE(QueuesStressTest, Queues);

TYPED_TEST(QueuesStressTest, NothingIsLostAndNothingComesTwice) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    this->Seed(seed);
    Items items;
    const int max_size = this->Below(4);
    TypeParam queue(static_cast<size_t>(max_size));
    bool joined = false;
    for (int step = 0; step < kSteps; ++step) {
      switch (this->Below(8)) {
        case 0:
        case 1:
          this->StartTask(Produce(&queue, step, this->RandomTimeout(), &items));
          break;
        case 2:
        case 3:
          this->StartTask(ConsumeOne(&queue, this->RandomTimeout(), &items));
          break;
        case 4:
          if (queue.PutNowait(std::make_unique<int>(step)).ok()) items.accepted.insert(step);
          break;
        case 5:
          this->DestroyOne();
          break;
        default:
          this->Turn();
      }
    }
    // Whatever is under way is destroyed; what was put and not got is then in the queue.
    this->DestroyAll();
    while (!queue.empty()) {
      const absl::StatusOr<Item> item = queue.GetNowait();
      ASSERT_TRUE(item.ok());
      EXPECT_TRUE(items.got.insert(**item).second);
      EXPECT_TRUE(queue.TaskDone().ok());
    }
    for (const int item : items.accepted) EXPECT_TRUE(items.got.contains(item)) << item;
    for (const int item : items.refused) EXPECT_FALSE(items.got.contains(item)) << item;
    // Every item counted once.
    const auto join = [](TypeParam* queue, bool* joined) -> Task<> {
      const absl::Status done = co_await queue->Join();
      *joined = done.ok();
    };
    this->StartTask(join(&queue, &joined));
    EXPECT_TRUE(joined);
    this->DestroyAll();
  }
}

TYPED_TEST(QueuesStressTest, QueueThatIsDestroyedFirst) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    this->Seed(seed);
    auto queue = std::make_unique<TypeParam>(static_cast<size_t>(this->Below(3)));
    const auto put = [](TypeParam* queue) -> Task<> {
      (void)co_await queue->Put(std::make_unique<int>(1));
    };
    const auto get = [](TypeParam* queue) -> Task<> { (void)co_await queue->Get(); };
    const auto join = [](TypeParam* queue) -> Task<> { (void)co_await queue->Join(); };
    for (int step = 0; step < 30; ++step) {
      switch (this->Below(6)) {
        case 0:
        case 1:
          this->StartTask(put(queue.get()));
          break;
        case 2:
        case 3:
          this->StartTask(get(queue.get()));
          break;
        case 4:
          this->StartTask(join(queue.get()));
          break;
        default:
          if (this->Below(4) == 0) this->Turn();
      }
    }
    queue.reset();
    this->DestroyOne();
    if (this->Below(2) == 0) this->Turn();
    this->DestroyAll();
  }
}

}  // namespace
}  // namespace squall
