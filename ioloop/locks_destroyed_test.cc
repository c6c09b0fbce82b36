// Waiters, locks and loops that are destroyed before their time; and what else locks_test.cc, which
// is Tornado's, does not say.
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/condition.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/lock.h"
#include "squall/ioloop/semaphore.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LocksDestroyedTest : public internal::FutureFixture {
 protected:
  template <typename W>
  static auto Wait(W& waitable, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&waitable, timeout] { return waitable.Wait(timeout); });
  }
  template <typename S>
  static auto Acquire(S& semaphore, absl::Duration timeout = absl::InfiniteDuration()) {
    return Begin([&semaphore, timeout] { return semaphore.Acquire(timeout); });
  }
};

TEST_F(LocksDestroyedTest, WaitersLeaveTheLine) {
  Condition condition;
  auto first = Wait(condition);
  auto second = Wait(condition, absl::Hours(1));
  auto third = Wait(condition);
  first.Destroy();
  second.Destroy();
  condition.Notify();
  RunBriefly();
  EXPECT_TRUE(third.done());
}

TEST_F(LocksDestroyedTest, ANotificationIsPassedOn) {
  Condition condition;
  auto first = Wait(condition);
  auto second = Wait(condition);
  auto third = Wait(condition);
  condition.Notify();
  first.Destroy();
  RunBriefly();
  EXPECT_TRUE(second.done());
  EXPECT_FALSE(third.done());
}

TEST_F(LocksDestroyedTest, ANotificationToAllIsNotPassedOn) {
  Condition condition;
  auto first = Wait(condition);
  condition.NotifyAll();
  auto later = Wait(condition);
  first.Destroy();
  RunBriefly();
  EXPECT_FALSE(later.done());
}

TEST_F(LocksDestroyedTest, ANotificationThatWasTakenIsNotPassedOn) {
  Condition condition;
  auto first = Wait(condition);
  condition.Notify();
  RunBriefly();
  auto later = Wait(condition);
  first.Destroy();
  RunBriefly();
  EXPECT_FALSE(later.done());
}

TEST_F(LocksDestroyedTest, ConditionBeforeItsWaiters) {
  auto condition = std::make_unique<Condition>();
  auto notified = Wait(*condition);
  auto notified_and_destroyed = Wait(*condition);
  auto waiting = Wait(*condition, absl::Hours(1));
  condition->Notify(2);
  condition.reset();
  notified_and_destroyed.Destroy();
  EXPECT_FALSE(waiting.done());
  RunBriefly();
  EXPECT_THAT(notified.result(), IsOk());
  EXPECT_THAT(waiting.result(),
              StatusIs(absl::StatusCode::kCancelled,
                       "Condition::Wait: what was waited for has been destroyed"));
}

TEST_F(LocksDestroyedTest, EventBeforeItsWaiters) {
  auto event = std::make_unique<Event>();
  auto set = Wait(*event);
  event->Set();
  event->Clear();
  auto waiting = Wait(*event);
  event.reset();
  RunBriefly();
  EXPECT_THAT(set.result(), IsOk());
  EXPECT_THAT(waiting.result(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LocksDestroyedTest, AGrantedPermitIsPassedOn) {
  Semaphore semaphore(0);
  auto first = Acquire(semaphore);
  auto second = Acquire(semaphore);
  auto third = Acquire(semaphore);
  semaphore.Release();
  first.Destroy();
  EXPECT_EQ(semaphore.available(), 0);
  second.Destroy();
  RunBriefly();
  EXPECT_THAT(third.result(), IsOk());
}

TEST_F(LocksDestroyedTest, AGrantedPermitThatNobodyElseWantsIsAvailable) {
  Semaphore semaphore(0);
  auto only = Acquire(semaphore);
  semaphore.Release();
  EXPECT_FALSE(semaphore.TryAcquire().has_value());
  only.Destroy();
  EXPECT_EQ(semaphore.available(), 1);
}

TEST_F(LocksDestroyedTest, SemaphoreBeforeItsWaitersAndPermits) {
  auto semaphore = std::make_unique<Semaphore>(1);
  std::optional<SemaphorePermit> permit = semaphore->TryAcquire();
  auto granted = Acquire(*semaphore);
  auto granted_and_destroyed = Acquire(*semaphore);
  auto waiting = Acquire(*semaphore, absl::Hours(1));
  semaphore->Release();
  semaphore->Release();
  semaphore.reset();
  granted_and_destroyed.Destroy();
  RunBriefly();
  EXPECT_THAT(granted.result(), IsOk());
  EXPECT_THAT(waiting.result(), StatusIs(absl::StatusCode::kCancelled));
  permit.reset();
  granted.Destroy();
}

TEST_F(LocksDestroyedTest, LockBeforeItsWaitersAndGuard) {
  auto lock = std::make_unique<Lock>();
  std::optional<Lock::Guard> guard = lock->TryAcquire();
  auto waiting = Acquire(*lock);
  lock.reset();
  RunBriefly();
  EXPECT_THAT(waiting.result(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LocksDestroyedTest, NobodyOvertakes) {
  Lock lock;
  std::optional<Lock::Guard> guard = lock.TryAcquire();
  auto first = Acquire(lock);
  guard.reset();
  // Granted to the first, who has not run yet.
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(lock.TryAcquire().has_value());
  auto second = Acquire(lock);
  EXPECT_FALSE(second.done());
  RunBriefly();
  EXPECT_TRUE(first.done());
  EXPECT_FALSE(second.done());
}

TEST_F(LocksDestroyedTest, PermitsMove) {
  Semaphore semaphore(2);
  std::optional<SemaphorePermit> a = semaphore.TryAcquire();
  std::optional<SemaphorePermit> b = semaphore.TryAcquire();
  *a = *std::move(b);
  EXPECT_EQ(semaphore.available(), 1);
  EXPECT_FALSE(b->held());
  b->Release();
  EXPECT_EQ(semaphore.available(), 1);
  SemaphorePermit& alias = *a;
  *a = std::move(alias);
  EXPECT_TRUE(a->held());
  a->Release();
  EXPECT_FALSE(a->held());
  EXPECT_EQ(semaphore.available(), 2);
}

TEST_F(LocksDestroyedTest, APermitOfABoundedSemaphoreThatWasReleasedByHandIsLogged) {
  BoundedSemaphore semaphore(1);
  LogCapture log;
  {
    const std::optional<SemaphorePermit> permit = semaphore.TryAcquire();
    EXPECT_THAT(semaphore.Release(), IsOk());
  }
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("released without having been acquired")));
  EXPECT_EQ(semaphore.available(), 1);
}

TEST_F(LocksDestroyedTest, AZeroTimeoutEndsInTheNextIteration) {
  Event event;
  auto set = Wait(event, absl::ZeroDuration());
  auto not_set = Wait(event, -absl::Seconds(1));
  EXPECT_FALSE(not_set.done());
  event.Set();
  event.Clear();
  auto later = Wait(event, absl::ZeroDuration());
  RunBriefly();
  EXPECT_THAT(set.result(), IsOk());
  EXPECT_THAT(not_set.result(), IsOk());
  EXPECT_THAT(later.result(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

Task<> HoldAndWait(Lock* lock, Event* event, Condition* condition) {
  const absl::StatusOr<Lock::Guard> guard = co_await lock->Acquire();
  (void)co_await event->Wait(absl::Hours(1));
  condition->Notify();
  (void)co_await condition->Wait();
}

TEST_F(LocksDestroyedTest, LoopBeforeSuspendedTasks) {
  Lock lock;
  Event event;
  Condition condition;
  for (int i = 0; i < 5; ++i) loop_.Spawn(HoldAndWait(&lock, &event, &condition));
  event.Set();
  RunBriefly();
  EXPECT_TRUE(lock.locked());
  // Each guard that is destroyed goes to a waiter that is destroyed next.
  IOLoop::ClearCurrent();
  EXPECT_FALSE(lock.locked());
}

Task<> OwnAndWait() {
  Lock lock;
  Event event;
  const absl::StatusOr<Lock::Guard> guard = co_await lock.Acquire();
  (void)co_await event.Wait();
}

TEST_F(LocksDestroyedTest, LoopBeforeTasksThatOwnTheirLocks) {
  auto lock = std::make_unique<Lock>();
  auto event = std::make_unique<Event>();
  Condition condition;
  loop_.Spawn(OwnAndWait());
  loop_.Spawn(HoldAndWait(lock.get(), event.get(), &condition));
  loop_.Spawn(HoldAndWait(lock.get(), event.get(), &condition));
  lock.reset();
  event.reset();
  IOLoop::ClearCurrent();
}

}  // namespace
}  // namespace squall
