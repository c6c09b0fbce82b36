// Tornado's locks_test.py, each test under its name there; what squall adds is in
// locks_destroyed_test.cc.
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/condition.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/lock.h"
#include "squall/ioloop/semaphore.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using internal::Future;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kShort = absl::Milliseconds(10);
// For what must not time out, also when the machine is busy.
constexpr absl::Duration kLong = absl::Seconds(20);

class ConditionTest : public internal::FutureFixture {
 protected:
  void RecordWait(std::string key, absl::Duration timeout = absl::InfiniteDuration()) {
    RecordDone([this, timeout] { return condition_.Wait(timeout); }, std::move(key));
  }
  auto Wait(absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([this, timeout] { return condition_.Wait(timeout); });
  }
  // Until the wait with the short timeout has timed out.
  void RunUntilTimeout() {
    while (history_.empty()) RunFor(kShort);
  }

  Condition condition_;
};

TEST_F(ConditionTest, Notify) {
  loop_.CallLater(kShort, [this] { condition_.Notify(); }).Detach();
  auto wait = Wait();
  while (!wait.done()) RunFor(kShort);
  EXPECT_THAT(wait.result(), IsOk());
}

TEST_F(ConditionTest, Notify1) {
  RecordWait("wait1");
  RecordWait("wait2");
  condition_.Notify(1);
  RunBriefly();
  history_.push_back("notify1");
  condition_.Notify(1);
  RunBriefly();
  history_.push_back("notify2");
  EXPECT_THAT(history_, ElementsAre("wait1", "notify1", "wait2", "notify2"));
}

TEST_F(ConditionTest, NotifyN) {
  for (int i = 0; i < 6; ++i) RecordWait(absl::StrCat(i));
  condition_.Notify(3);
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("0", "1", "2"));
  condition_.Notify(1);
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("0", "1", "2", "3"));
  condition_.Notify(2);
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST_F(ConditionTest, NotifyAll) {
  for (int i = 0; i < 4; ++i) RecordWait(absl::StrCat(i));
  condition_.NotifyAll();
  RunBriefly();
  history_.push_back("notify_all");
  EXPECT_THAT(history_, ElementsAre("0", "1", "2", "3", "notify_all"));
}

TEST_F(ConditionTest, WaitTimeout) {
  auto wait = Wait(kShort);
  while (!wait.done()) RunFor(kShort);
  condition_.Notify();  // Too late.
  EXPECT_THAT(wait.result(),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("Condition::Wait"), HasSubstr("within 10ms"))));
}

TEST_F(ConditionTest, WaitTimeoutPreempted) {
  // Both are due in one iteration, the notification first.
  loop_.CallLater(kShort, [this] { condition_.Notify(); }).Detach();
  auto wait = Wait(2 * kShort);
  absl::SleepFor(3 * kShort);
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(wait.result(), IsOk());
}

TEST_F(ConditionTest, NotifyNWithTimeout) {
  RecordWait("0");
  RecordWait("1", kShort);
  RecordWait("2");
  RecordWait("3");
  RunUntilTimeout();
  EXPECT_THAT(history_, ElementsAre("timeout"));
  // Who timed out does not count.
  condition_.Notify(2);
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("timeout", "0", "2"));
  condition_.Notify();
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("timeout", "0", "2", "3"));
}

TEST_F(ConditionTest, NotifyAllWithTimeout) {
  RecordWait("0");
  RecordWait("1", kShort);
  RecordWait("2");
  RunUntilTimeout();
  EXPECT_THAT(history_, ElementsAre("timeout"));
  condition_.NotifyAll();
  RunBriefly();
  EXPECT_THAT(history_, ElementsAre("timeout", "0", "2"));
}

Task<absl::Status> WaitAndNotify(Condition* condition) {
  const absl::Status status = co_await condition->Wait();
  condition->Notify();
  co_return status;
}

TEST_F(ConditionTest, NestedNotify) {
  auto first = Wait();
  auto second = Begin([this] { return WaitAndNotify(&condition_); });
  auto third = Wait();
  condition_.Notify(2);
  RunBriefly();
  RunBriefly();
  EXPECT_TRUE(first.done());
  EXPECT_TRUE(second.done());
  EXPECT_TRUE(third.done());
}

TEST_F(ConditionTest, GarbageCollection) {
  std::vector<Future<absl::Status>> timed_out;
  for (int i = 0; i < 101; ++i) timed_out.push_back(Wait(kShort));
  auto wait = Wait();
  while (!timed_out.back().done()) RunFor(kShort);
  EXPECT_FALSE(wait.done());
  condition_.Notify();
  RunBriefly();
  EXPECT_TRUE(wait.done());
}

class EventTest : public internal::FutureFixture {
 protected:
  auto Wait(absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([this, timeout] { return event_.Wait(timeout); });
  }

  Event event_;
};

TEST_F(EventTest, Event) {
  auto wait0 = Wait();
  event_.Set();
  auto wait1 = Wait();
  event_.Clear();
  auto wait2 = Wait();
  RunBriefly();
  EXPECT_TRUE(wait0.done());
  EXPECT_TRUE(wait1.done());
  EXPECT_FALSE(wait2.done());
}

TEST_F(EventTest, EventTimeout) {
  auto timed_out = Wait(kShort);
  while (!timed_out.done()) RunFor(kShort);
  EXPECT_THAT(timed_out.result(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                           "Event::Wait: the event was not set within 10ms"));

  // After somebody timed out it works as before.
  loop_.CallLater(kShort, [this] { event_.Set(); }).Detach();
  auto wait = Wait(kLong);
  while (!wait.done()) RunFor(kShort);
  EXPECT_THAT(wait.result(), IsOk());
}

TEST_F(EventTest, EventSetMultiple) {
  event_.Set();
  event_.Set();
  EXPECT_TRUE(event_.is_set());
}

TEST_F(EventTest, EventWaitClear) {
  auto wait0 = Wait();
  event_.Clear();
  auto wait1 = Wait();
  event_.Set();
  RunBriefly();
  EXPECT_TRUE(wait0.done());
  EXPECT_TRUE(wait1.done());
}

// The same for the three that are acquired.
class AcquireFixture : public internal::FutureFixture {
 protected:
  using Acquired = Future<absl::StatusOr<SemaphorePermit>>;

  template <typename S>
  static Acquired Acquire(S& semaphore, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&semaphore, timeout] { return semaphore.Acquire(timeout); });
  }
  // Acquires at once, to be released by hand.
  template <typename S>
  static void Take(S& semaphore) {
    std::optional<SemaphorePermit> permit = semaphore.TryAcquire();
    ASSERT_TRUE(permit.has_value());
    permit->Detach();
  }
};

class SemaphoreTest : public AcquireFixture {};

TEST_F(SemaphoreTest, NegativeValue) {
  EXPECT_DEATH(Semaphore(-1), "a semaphore starts with 0 or more permits");
}

TEST_F(SemaphoreTest, Acquire) {
  Semaphore semaphore;
  auto acquire0 = Acquire(semaphore);
  EXPECT_TRUE(acquire0.done());

  auto acquire1 = Acquire(semaphore);
  EXPECT_FALSE(acquire1.done());
  auto acquire2 = Acquire(semaphore);
  acquire0.result()->Release();
  RunBriefly();
  EXPECT_TRUE(acquire1.done());
  EXPECT_FALSE(acquire2.done());
  acquire1.result()->Release();
  RunBriefly();
  EXPECT_TRUE(acquire2.done());

  acquire2.result()->Release();
  EXPECT_TRUE(Acquire(semaphore).done());
}

TEST_F(SemaphoreTest, AcquireTimeout) {
  Semaphore semaphore(2);
  Take(semaphore);
  Take(semaphore);
  auto timed_out = Acquire(semaphore, kShort);
  while (!timed_out.done()) RunFor(kShort);
  semaphore.Release();  // Too late.
  EXPECT_THAT(timed_out.result(),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "Semaphore::Acquire: no permit was released within 10ms"));

  Take(semaphore);
  auto acquire = Acquire(semaphore);
  EXPECT_FALSE(acquire.done());
  semaphore.Release();
  RunBriefly();
  EXPECT_THAT(acquire.result(), IsOk());
}

TEST_F(SemaphoreTest, AcquireTimeoutPreempted) {
  Semaphore semaphore;
  Take(semaphore);
  // Both are due in one iteration, the release first.
  loop_.CallLater(kShort, [&] { semaphore.Release(); }).Detach();
  auto acquire = Acquire(semaphore, 2 * kShort);
  absl::SleepFor(3 * kShort);
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(acquire.result(), IsOk());
}

TEST_F(SemaphoreTest, ReleaseUnacquired) {
  Semaphore semaphore;
  semaphore.Release();
  semaphore.Release();
  EXPECT_EQ(semaphore.available(), 3);
  for (int i = 0; i < 3; ++i) Take(semaphore);
  EXPECT_FALSE(Acquire(semaphore).done());
}

TEST_F(SemaphoreTest, GarbageCollection) {
  Semaphore semaphore(0);
  std::vector<Acquired> timed_out;
  for (int i = 0; i < 101; ++i) timed_out.push_back(Acquire(semaphore, kShort));
  auto acquire = Acquire(semaphore);
  while (!timed_out.back().done()) RunFor(kShort);
  EXPECT_FALSE(acquire.done());
  semaphore.Release();
  RunBriefly();
  EXPECT_THAT(acquire.result(), IsOk());
  for (Acquired& acquired : timed_out) {
    EXPECT_THAT(acquired.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

class SemaphoreContextManagerTest : public AcquireFixture {};

Task<absl::Status> AcquireAndReturn(Semaphore* semaphore, absl::Duration timeout) {
  const absl::StatusOr<SemaphorePermit> permit = co_await semaphore->Acquire(timeout);
  if (!permit.ok()) co_return permit.status();
  EXPECT_EQ(semaphore->available(), 0);
  co_return absl::OkStatus();
}

TEST_F(SemaphoreContextManagerTest, ContextManager) {
  Semaphore semaphore;
  EXPECT_THAT(loop_.RunSync(AcquireAndReturn(&semaphore, absl::InfiniteDuration())), IsOk());
  EXPECT_TRUE(Acquire(semaphore).done());
}

Task<> AcquireAndThrow(Semaphore* semaphore) {
  const absl::StatusOr<SemaphorePermit> permit = co_await semaphore->Acquire();
  throw std::runtime_error("while acquired");
}

TEST_F(SemaphoreContextManagerTest, ContextManagerException) {
  Semaphore semaphore;
  EXPECT_THROW((void)loop_.RunSync(AcquireAndThrow(&semaphore)), std::runtime_error);
  EXPECT_TRUE(Acquire(semaphore).done());
}

TEST_F(SemaphoreContextManagerTest, ContextManagerTimeout) {
  Semaphore semaphore;
  EXPECT_THAT(loop_.RunSync(AcquireAndReturn(&semaphore, kShort)), IsOk());
  EXPECT_TRUE(Acquire(semaphore).done());
}

TEST_F(SemaphoreContextManagerTest, ContextManagerTimeoutError) {
  Semaphore semaphore(0);
  EXPECT_THAT(loop_.RunSync(AcquireAndReturn(&semaphore, kShort)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(semaphore.available(), 0);
  EXPECT_FALSE(Acquire(semaphore).done());
}

Task<> Contend(Semaphore* semaphore, int index, std::vector<std::string>* history) {
  const absl::StatusOr<SemaphorePermit> permit = co_await semaphore->Acquire();
  history->push_back(absl::StrCat("acquired ", index));
  co_await Sleep(kShort);
  history->push_back(absl::StrCat("release ", index));
}

TEST_F(SemaphoreContextManagerTest, ContextManagerContended) {
  Semaphore semaphore;
  EXPECT_THAT(
      loop_.RunSync(Gather(Contend(&semaphore, 0, &history_), Contend(&semaphore, 1, &history_))),
      IsOk());
  EXPECT_THAT(history_, ElementsAre("acquired 0", "release 0", "acquired 1", "release 1"));
}

class BoundedSemaphoreTest : public AcquireFixture {};

TEST_F(BoundedSemaphoreTest, ReleaseUnacquired) {
  BoundedSemaphore semaphore;
  EXPECT_THAT(semaphore.Release(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "BoundedSemaphore::Release: released without having been acquired: all "
                       "permits are there, 1 of 1"));
  Take(semaphore);
  auto acquire = Acquire(semaphore);
  EXPECT_FALSE(acquire.done());
  EXPECT_THAT(semaphore.Release(), IsOk());
  RunBriefly();
  acquire.result()->Detach();
  EXPECT_THAT(semaphore.Release(), IsOk());
  EXPECT_THAT(semaphore.Release(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

class LockTest : public AcquireFixture {};

TEST_F(LockTest, AcquireRelease) {
  Lock lock;
  Take(lock);
  auto acquire = Acquire(lock);
  EXPECT_FALSE(acquire.done());
  EXPECT_THAT(lock.Release(), IsOk());
  RunBriefly();
  EXPECT_THAT(acquire.result(), IsOk());
}

Task<> AcquireAndAppend(Lock* lock, int index, std::vector<int>* history) {
  const absl::StatusOr<Lock::Guard> guard = co_await lock->Acquire();
  history->push_back(index);
}

TEST_F(LockTest, AcquireFifo) {
  Lock lock;
  Take(lock);
  std::vector<int> history;
  std::vector<Task<>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(AcquireAndAppend(&lock, i, &history));
  loop_.AddCallback([&] {
    EXPECT_THAT(history, ElementsAre());
    EXPECT_THAT(lock.Release(), IsOk());
  });
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks))), IsOk());
  EXPECT_THAT(history, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockTest, AcquireTimeout) {
  Lock lock;
  Take(lock);
  auto timed_out = Acquire(lock, kShort);
  while (!timed_out.done()) RunFor(kShort);
  EXPECT_THAT(timed_out.result(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                           "Lock::Acquire: the lock was not released within 10ms"));
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(Acquire(lock).done());
}

TEST_F(LockTest, MultiRelease) {
  Lock lock;
  EXPECT_THAT(lock.Release(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       "Lock::Release: the lock is not locked"));
  Take(lock);
  EXPECT_THAT(lock.Release(), IsOk());
  EXPECT_THAT(lock.Release(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace squall
