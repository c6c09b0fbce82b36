#include "squall/ioloop/race.h"

#include <coroutine>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::Field;
using testing::Pointee;
using testing::VariantWith;

class RaceTest : public internal::GroupFixture {
 protected:
  Task<std::string> WaitForText(int n) {
    co_await Wait(n);
    co_return "text";
  }
  Task<> WaitForNothing(int n) { co_await Wait(n); }
};

TEST_F(RaceTest, TheFirstWins) {
  auto race = Begin([this] { return Race(Wait(1), WaitForText(2), WaitForNothing(3)); });
  EXPECT_EQ(alive_, 3);
  events_[2].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_EQ(race.result().index(), 1);
  EXPECT_THAT(race.result(), VariantWith<std::string>("text"));
  EXPECT_EQ(alive_, 0);
}

TEST_F(RaceTest, TasksOfOneType) {
  auto race = Begin([this] { return Race(Wait(1), Wait(2)); });
  events_[2].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_EQ(race.result().index(), 1);
  EXPECT_EQ(std::get<1>(race.result()), 2);
}

TEST_F(RaceTest, Vector) {
  auto race = Begin([this] {
    std::vector<Task<int>> tasks;
    for (int i = 10; i < 15; ++i) tasks.push_back(Wait(i));
    return Race(std::move(tasks));
  });
  events_[13].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_EQ(race.result().index, 3);
  EXPECT_EQ(race.result().value, 13);
  EXPECT_EQ(alive_, 0);
}

Task<> Nothing() { co_return; }

TEST_F(RaceTest, VectorOfVoid) {
  std::vector<Task<>> tasks;
  tasks.push_back(WaitForNothing(1));
  tasks.push_back(Nothing());
  EXPECT_THAT(loop_.RunSync(Race(std::move(tasks))),
              IsOkAndHolds(Field(&RaceWinner<void>::index, 1)));
}

TEST_F(RaceTest, EmptyVectorAborts) {
  EXPECT_DEATH((void)loop_.RunSync(Race(std::vector<Task<>>())), "Race needs at least one task");
}

TEST_F(RaceTest, OneThatWinsAtOnceKeepsTheOthersFromStarting) {
  events_[2].Set();
  auto race = Begin([this] { return Race(Wait(1), Wait(2), Wait(3)); });
  EXPECT_EQ(race.result().index(), 1);
  EXPECT_EQ(started_, 2);
  EXPECT_EQ(alive_, 0);
}

TEST_F(RaceTest, OfTwoInOneIterationTheEarlierWins) {
  for (const int first : {0, 1}) {
    for (Event* event : {&events_[0], &events_[1]}) event->Clear();
    auto race = Begin([this] { return Race(Wait(0), Wait(1)); });
    auto race_of_vector = Begin([this] {
      std::vector<Task<int>> tasks;
      tasks.push_back(Wait(0));
      tasks.push_back(Wait(1));
      return Race(std::move(tasks));
    });
    events_[first].Set();
    events_[1 - first].Set();
    RunBriefly();
    RunBriefly();
    EXPECT_EQ(race.result().index(), first);
    EXPECT_EQ(race_of_vector.result().index, first);
  }
}

Task<absl::StatusOr<int>> Fail() { co_return absl::NotFoundError("none"); }

TEST_F(RaceTest, AnErrorStatusWins) {
  auto race = Begin([this] { return Race(Wait(1), Fail()); });
  ASSERT_EQ(race.result().index(), 1);
  EXPECT_THAT(std::get<1>(race.result()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RaceTest, AnExceptionWins) {
  auto race = Begin([this] { return Catch(Race(Wait(1), ThrowAfter(2))); });
  events_[2].Set();
  RunBriefly();
  RunBriefly();
  EXPECT_EQ(race.result(), "2 threw");
  EXPECT_EQ(alive_, 0);
}

Task<std::unique_ptr<int>> MakeUnique(int value) { co_return std::make_unique<int>(value); }

TEST_F(RaceTest, MoveOnlyResults) {
  EXPECT_THAT(loop_.RunSync(Race(MakeUnique(1))),
              IsOkAndHolds(VariantWith<std::unique_ptr<int>>(Pointee(1))));
}

TEST_F(RaceTest, AWinInsideACallOfALoser) {
  std::coroutine_handle<> winner;
  auto race = Begin([&] { return Race(ReturnWhenResumed(&winner), ResumeInACall(&winner, 1)); });
  events_[1].Set();
  RunBriefly();
  EXPECT_EQ(alive_, 2);  // The loser was not destroyed while it ran.
  EXPECT_FALSE(race.done());
  RunBriefly();
  EXPECT_EQ(race.result().index(), 0);
  EXPECT_EQ(alive_, 0);
}

TEST_F(RaceTest, DestroyedWhileItsTasksAreSuspended) {
  auto race = Begin([this] { return Race(Wait(1), Race(Wait(2), Wait(3))); });
  EXPECT_EQ(alive_, 3);
  race.Destroy();
  EXPECT_EQ(alive_, 0);
}

TEST_F(RaceTest, DestroyedBetweenItsEndAndItsResumption) {
  auto race = Begin([this] { return Race(Wait(1), Wait(2)); });
  events_[1].Set();
  RunBriefly();
  EXPECT_EQ(alive_, 1);
  race.Destroy();
  EXPECT_EQ(alive_, 0);
  RunBriefly();
}

TEST_F(RaceTest, LoopBeforeSuspendedRace) {
  loop_.Spawn(Discard(Race(Wait(1), Wait(2))));
  EXPECT_EQ(alive_, 2);
  IOLoop::ClearCurrent();
  EXPECT_EQ(alive_, 0);
}

}  // namespace
}  // namespace squall
