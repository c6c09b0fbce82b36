#include "squall/ioloop/task.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"

namespace squall {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointee;

class TaskTest : public testing::Test {
 protected:
  ~TaskTest() override { IOLoop::ClearCurrent(); }
  IOLoop& loop_ = IOLoop::Current();
};

// Counts the living, to see that frames are destroyed.
struct Tracked {
  explicit Tracked(int* alive) : alive(alive) { ++*alive; }
  Tracked(const Tracked&) = delete;
  Tracked& operator=(const Tracked&) = delete;
  ~Tracked() { --*alive; }
  int* alive;
};

Task<int> Return(int value) { co_return value; }

Task<int> ReturnLater(int value) {
  co_await Sleep(absl::ZeroDuration());
  co_return value;
}

Task<int> Throw(std::string what) {
  co_await Sleep(absl::ZeroDuration());
  throw std::runtime_error(what);
}

Task<std::unique_ptr<int>> ReturnMoveOnly() { co_return std::make_unique<int>(7); }

Task<> Append(std::vector<std::string>* log, std::string text) {
  log->push_back(text);
  co_return;
}

Task<> SleepForEver(int* alive) {
  Tracked tracked(alive);
  co_await Sleep(absl::InfiniteDuration());
}

Task<> AwaitSleepForEver(int* alive) {
  Tracked tracked(alive);
  co_await SleepForEver(alive);
}

TEST_F(TaskTest, IsLazy) {
  std::vector<std::string> log;
  {
    Task<> never_awaited = Append(&log, "never");
    Task<> task = Append(&log, "ran");
    EXPECT_THAT(log, ElementsAre());
    EXPECT_THAT(loop_.RunSync(std::move(task)), IsOk());
  }
  EXPECT_THAT(log, ElementsAre("ran"));
}

Task<int> AddUp(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await Return(1);
  co_return sum;
}

TEST_F(TaskTest, AMillionTasksThatCompleteAtOnceNeedNoStack) {
  EXPECT_THAT(loop_.RunSync(AddUp(1'000'000)), IsOkAndHolds(1'000'000));
}

Task<int> AddUpLater(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await ReturnLater(1);
  co_return sum;
}

TEST_F(TaskTest, ManyTasksThatSuspendNeedNoStack) {
  EXPECT_THAT(loop_.RunSync(AddUpLater(20'000)), IsOkAndHolds(20'000));
}

Task<int> Nested(int depth) {
  if (depth == 0) co_return co_await ReturnLater(0);
  const int below = co_await Nested(depth - 1);
  co_return below + 1;
}

TEST_F(TaskTest, NestedTasksResumeTheirAwaiters) {
  EXPECT_THAT(loop_.RunSync(Nested(1'000)), IsOkAndHolds(1'000));
}

TEST_F(TaskTest, MoveOnlyResults) {
  EXPECT_THAT(loop_.RunSync(ReturnMoveOnly()), IsOkAndHolds(Pointee(7)));
}

Task<std::string> CatchInside() {
  std::string caught;
  try {
    co_await Throw("inner");
  } catch (const std::runtime_error& e) {
    caught = e.what();
  }
  co_return caught;
}

TEST_F(TaskTest, ExceptionsReachTheAwaiter) {
  EXPECT_THAT(loop_.RunSync(CatchInside()), IsOkAndHolds("inner"));
}

TEST_F(TaskTest, RunSyncPassesExceptionsOn) {
  EXPECT_THROW((void)loop_.RunSync(Throw("outer")), std::runtime_error);
  // And the loop is fit for use.
  EXPECT_THAT(loop_.RunSync(ReturnLater(1)), IsOkAndHolds(1));
}

Task<absl::Status> ReturnStatus() { co_return absl::NotFoundError("nothing"); }
Task<absl::StatusOr<int>> ReturnStatusOr() { co_return 5; }

TEST_F(TaskTest, RunSyncDoesNotNestStatuses) {
  EXPECT_THAT(loop_.RunSync(ReturnStatus()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(loop_.RunSync(ReturnStatusOr()), IsOkAndHolds(5));
}

TEST_F(TaskTest, RunSyncTimesOutAndDestroysTheTask) {
  int alive = 0;
  EXPECT_THAT(loop_.RunSync(AwaitSleepForEver(&alive), absl::Milliseconds(5)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("5ms")));
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, RunSyncIsAbortedByStop) {
  int alive = 0;
  loop_.AddCallback([this] { loop_.Stop(); });
  EXPECT_THAT(loop_.RunSync(AwaitSleepForEver(&alive)), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, RunSyncOfACompleteTaskDoesNotTurnTheLoop) {
  bool ran = false;
  loop_.AddCallback([&ran] { ran = true; });
  EXPECT_THAT(loop_.RunSync(Return(3)), IsOkAndHolds(3));
  EXPECT_FALSE(ran);
}

TEST_F(TaskTest, SpawnRunsUntilTheFirstSuspension) {
  std::vector<std::string> log;
  loop_.Spawn(Append(&log, "at once"));
  EXPECT_THAT(log, ElementsAre("at once"));
}

Task<> ThrowAtOnce() {
  throw std::runtime_error("at once");
  co_return;
}

Task<> ThrowLater() { co_await Throw("later"); }

TEST_F(TaskTest, ExceptionsOfSpawnedTasksAreLogged) {
  LogCapture log;
  loop_.Spawn(ThrowAtOnce());
  loop_.Spawn(ThrowLater());
  EXPECT_THAT(loop_.RunSync(AddUpLater(3)), IsOkAndHolds(3));
  EXPECT_THAT(
      log.messages(),
      ElementsAre(
          ContainsRegex(
              R"(E Exception in a task spawned at task_test\.cc:[0-9]+ \(TestBody\): at once)"),
          ContainsRegex(
              R"(E Exception in a task spawned at task_test\.cc:[0-9]+ \(TestBody\): later)")));
}

TEST_F(TaskTest, SuspendedSpawnedTasksDieWithTheLoop) {
  int alive = 0;
  loop_.Spawn(SleepForEver(&alive));
  loop_.Spawn(AwaitSleepForEver(&alive));
  EXPECT_EQ(alive, 3);
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive, 0);
}

struct SpawnsInDestructor {
  ~SpawnsInDestructor() {
    IOLoop* const loop = IOLoop::IfExists();
    if (loop == nullptr) return;
    loop->Spawn(SleepForEver(alive));
    loop->AddCallback([] {});
    loop->CallLater(absl::ZeroDuration(), [] {}).Detach();
  }
  int* alive;
};

Task<> SpawnWhenDestroyed(int* alive) {
  SpawnsInDestructor spawns{alive};
  co_await Sleep(absl::InfiniteDuration());
}

TEST_F(TaskTest, DestructorsMayUseTheEndingLoop) {
  int alive = 0;
  loop_.Spawn(SpawnWhenDestroyed(&alive));
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, SleepWaitsAtLeastItsTime) {
  const MonotonicTime start = Clock::Real().Now();
  struct Local {
    static Task<> Run() { co_await Sleep(absl::Milliseconds(20)); }
  };
  EXPECT_THAT(loop_.RunSync(Local::Run()), IsOk());
  EXPECT_GE(Clock::Real().Now() - start, absl::Milliseconds(20));
}

TEST_F(TaskTest, AssigningATaskDestroysTheOldOne) {
  int alive = 0;
  Task<> task = SleepForEver(&alive);
  EXPECT_THAT(loop_.RunSync(std::move(task), absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  task = SleepForEver(&alive);
  Task<>& alias = task;
  task = std::move(alias);
  EXPECT_THAT(loop_.RunSync(std::move(task), absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(alive, 0);
}

Task<absl::Status> SumUp(Task<int> a, Task<void> b, Task<absl::Status> c, int* sum) {
  const int value = co_await std::move(a);
  co_await std::move(b);
  absl::Status status = co_await std::move(c);
  *sum = value + 1;
  co_return status;
}

TEST_F(TaskTest, DoneGivesTheDefaultValueAndNeedsNoCoroutine) {
  int sum = 0;
  EXPECT_THAT(
      loop_.RunSync(SumUp(Task<int>::Done(), Task<>::Done(), Task<absl::Status>::Done(), &sum)),
      IsOk());
  EXPECT_EQ(sum, 1);
  // As tasks of their own, moved, assigned, and never awaited.
  EXPECT_THAT(loop_.RunSync(Task<>::Done()), IsOk());
  loop_.Spawn(Task<>::Done());
  Task<int> task = Task<int>::Done();
  Task<int> other = std::move(task);
  int alive = 0;
  Task<> sleeping = SleepForEver(&alive);
  sleeping = Task<>::Done();
  EXPECT_THAT(loop_.RunSync(std::move(sleeping)), IsOk());
}

}  // namespace
}  // namespace squall
