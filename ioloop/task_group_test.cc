#include "squall/ioloop/task_group.h"

#include <optional>

#include "gtest/gtest.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/task.h"

namespace squall::internal {
namespace {

class TaskGroupTest : public GroupFixture {
 protected:
  // Waits for one of two tasks, and then for events_[0], with the group still in scope.
  Task<int> AwaitGroupAndEvent(TaskGroup* group) {
    group->Add(RunInGroup(Wait(1), &first_, group));
    group->Add(RunInGroup(Wait(2), &second_, group));
    co_await *group;
    alive_after_group_ = alive_;
    co_return co_await Wait(0);
  }

  std::optional<int> first_;
  std::optional<int> second_;
  std::optional<int> alive_after_group_;
};

TEST_F(TaskGroupTest, IsFinishedWhenAsManyAreDoneAsItNeeds) {
  TaskGroup group(1);
  auto wait = Begin([&] { return AwaitGroupAndEvent(&group); });
  EXPECT_FALSE(group.finished());
  events_[2].Set();
  RunBriefly();
  EXPECT_TRUE(group.finished());
  EXPECT_EQ(second_, 2);
  EXPECT_EQ(alive_after_group_, std::nullopt);
  RunBriefly();
  EXPECT_EQ(alive_after_group_, 0);
}

TEST_F(TaskGroupTest, FinishHereResumesHere) {
  TaskGroup group(2);
  auto wait = Begin([&] { return AwaitGroupAndEvent(&group); });
  group.FinishHere();
  EXPECT_EQ(alive_after_group_, 0);
  EXPECT_EQ(first_, std::nullopt);
}

TEST_F(TaskGroupTest, FinishHereOfAFinishedGroupResumesNobody) {
  TaskGroup group(1);
  auto wait = Begin([&] { return AwaitGroupAndEvent(&group); });
  group.FinishHere();
  group.FinishHere();
  EXPECT_FALSE(wait.done());
  EXPECT_EQ(alive_, 1);
}

}  // namespace
}  // namespace squall::internal
