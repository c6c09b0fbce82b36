#include "squall/ioloop/gather.h"

#include <coroutine>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/semaphore.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using internal::Tracked;
using testing::ElementsAre;
using testing::FieldsAre;
using testing::Pointee;

class GatherTest : public internal::GroupFixture {};

Task<std::unique_ptr<int>> MakeUnique(int value) { co_return std::make_unique<int>(value); }
Task<bool> Flag(bool value) { co_return value; }

TEST_F(GatherTest, MoveOnlyResults) {
  EXPECT_THAT(loop_.RunSync(Gather(MakeUnique(1), MakeUnique(2))),
              IsOkAndHolds(FieldsAre(Pointee(1), Pointee(2))));
  std::vector<Task<std::unique_ptr<int>>> tasks;
  tasks.push_back(MakeUnique(3));
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks))), IsOkAndHolds(ElementsAre(Pointee(3))));
}

TEST_F(GatherTest, VectorOfBool) {
  std::vector<Task<bool>> tasks;
  tasks.push_back(Flag(true));
  tasks.push_back(Flag(false));
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks))), IsOkAndHolds(ElementsAre(true, false)));
}

Task<absl::StatusOr<int>> Fail() { co_return absl::NotFoundError("none"); }
Task<absl::StatusOr<int>> Succeed() { co_return 1; }

TEST_F(GatherTest, StatusesAreResults) {
  EXPECT_THAT(loop_.RunSync(Gather(Fail(), Succeed())),
              IsOkAndHolds(FieldsAre(StatusIs(absl::StatusCode::kNotFound), IsOkAndHolds(1))));
}

TEST_F(GatherTest, IsLazy) {
  { Task<std::tuple<int, int>> never = Gather(Wait(1), Wait(2)); }
  EXPECT_EQ(started_, 0);
}

TEST_F(GatherTest, FinishesWhenAllHave) {
  auto gather = Begin([this] { return Gather(Wait(1), Wait(2)); });
  events_[2].Set();
  RunBriefly();
  EXPECT_FALSE(gather.done());
  events_[1].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_THAT(gather.result(), FieldsAre(1, 2));
  EXPECT_EQ(alive_, 0);
}

TEST_F(GatherTest, AnExceptionDestroysTheOthers) {
  auto gather = Begin([this] { return Catch(Gather(Wait(1), ThrowAfter(2), Wait(3))); });
  EXPECT_EQ(alive_, 3);
  events_[2].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_EQ(gather.result(), "2 threw");
  EXPECT_EQ(alive_, 0);
}

TEST_F(GatherTest, AnExceptionAtOnceKeepsTheOthersFromStarting) {
  events_[2].Set();
  auto gather = Begin([this] { return Catch(Gather(Wait(1), ThrowAfter(2), Wait(3))); });
  EXPECT_EQ(gather.result(), "2 threw");
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(alive_, 0);
}

TEST_F(GatherTest, DestroyedWhileItsTasksAreSuspended) {
  auto gather = Begin([this] { return Gather(Wait(1), Gather(Wait(2), Wait(3))); });
  events_[3].Set();
  EXPECT_EQ(alive_, 3);
  gather.Destroy();
  EXPECT_EQ(alive_, 0);
  RunBriefly();
}

TEST_F(GatherTest, DestroyedBetweenItsEndAndItsResumption) {
  auto gather = Begin([this] { return Gather(Wait(1), Wait(2)); });
  events_[1].Set();
  events_[2].Set();
  RunBriefly();  // Both are done, and the Gather is to be resumed.
  gather.Destroy();
  RunBriefly();
  EXPECT_FALSE(gather.done());
}

TEST_F(GatherTest, LoopBeforeSuspendedGather) {
  loop_.Spawn(Discard(Gather(Wait(1), Wait(2))));
  EXPECT_EQ(alive_, 2);
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive_, 0);
}

// The task that runs makes another one throw, deep inside a call of its own.
TEST_F(GatherTest, AnExceptionInsideACallOfAnotherTask) {
  std::coroutine_handle<> thrower;
  auto gather =
      Begin([&] { return Catch(Gather(ThrowWhenResumed(&thrower), ResumeInACall(&thrower, 1))); });
  events_[1].Set();
  RunBriefly();  // The second resumes the first, which throws, and runs on.
  EXPECT_EQ(alive_, 2);
  EXPECT_FALSE(gather.done());
  RunBriefly();
  EXPECT_EQ(gather.result(), "resumed");
  EXPECT_EQ(alive_, 0);
}

Task<> HoldParameter(SemaphorePermit permit) { co_return; }

TEST_F(GatherTest, ParametersDieWithTheirTask) {
  Semaphore semaphore(1);
  std::optional<SemaphorePermit> permit = semaphore.TryAcquire();
  auto gather = Begin([&] { return Gather(HoldParameter(*std::move(permit)), Wait(1)); });
  EXPECT_FALSE(gather.done());
  EXPECT_EQ(semaphore.available(), 1);
}

}  // namespace
}  // namespace squall
