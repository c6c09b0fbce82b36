// The leader role: one READY worker has it, and two never believe that they do.
#include <csignal>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/testing/pool_script.h"

namespace squall::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

int Leader(const PoolScript& pool) {
  for (int i = 0; i < pool.pool().rows(); ++i) {
    if (pool.pool().row(i).leader) return pool.pool().row(i).slot;
  }
  return -1;
}

TEST(PoolStateLeaderTest, TheFirstThatIsReadyAndItKeepsTheRole) {
  PoolScript pool({.desired = 3, .max_workers = 3}, PoolScript::Begin::kStarting);
  EXPECT_EQ(Leader(pool), -1);
  EXPECT_THAT(pool.Ready("1.1"), ElementsAre("lead 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kLeader), ElementsAre("worker 1 (pid 101) is the leader"));
  EXPECT_EQ(Leader(pool), 1);
  EXPECT_THAT(pool.Ready("0.1"), IsEmpty());
  EXPECT_EQ(Leader(pool), 1);
}

TEST(PoolStateLeaderTest, AtItsDeathTheLowestSlotThatIsReady) {
  PoolScript pool({.desired = 3, .max_workers = 3});
  EXPECT_THAT(pool.Crashes("0.1"), ElementsAre("spawn 0.2", "lead 1.1"));
  EXPECT_THAT(pool.Ready("0.2"), IsEmpty()) << "it is not taken back";
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("lead 0.2")) << "also when it was done";
}

TEST(PoolStateLeaderTest, WhenNobodyIsReadyTheNextOneThatIs) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  EXPECT_THAT(pool.Crashes("0.1"), ElementsAre("spawn 0.2"));
  EXPECT_EQ(Leader(pool), -1);
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("lead 0.2"));
}

TEST(PoolStateLeaderTest, ADrainedLeaderGivesItUpFirst) {
  PoolScript pool({.desired = 3, .max_workers = 3});
  pool.Crashes("0.1");
  ASSERT_EQ(Leader(pool), 1);
  pool.Resize(1);
  ASSERT_EQ(pool.Show(), "0.2 STARTING g1, 1.1 DRAINING g1, 2.1 DRAINING g1");
  EXPECT_THAT(pool.Ready("0.2"), IsEmpty()) << "1.1 was told, but has not answered";
  EXPECT_EQ(Leader(pool), 1);
  EXPECT_THAT(pool.ReleasesLeader("1.1"), ElementsAre("lead 0.2"));
  EXPECT_THAT(pool.ReleasesLeader("1.1"), IsEmpty()) << "told twice";
  EXPECT_EQ(Leader(pool), 0);
}

TEST(PoolStateLeaderTest, ADrainedLeaderThatDoesNotAnswerKeepsItUntilItIsGone) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Crashes("0.1"), ElementsAre("spawn 0.2", "lead 1.1"));
  pool.Ready("0.2");
  EXPECT_THAT(pool.Resize(1), ElementsAre("drain 1.1", "unlead 1.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(30)), ElementsAre("TERM 1.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("KILL 1.1"));
  EXPECT_EQ(Leader(pool), 1);
  EXPECT_THAT(pool.Exits("1.1", ExitStatus::Killed(SIGKILL)), ElementsAre("lead 0.2"));
}

TEST(PoolStateLeaderTest, AReleaseThatNobodyAskedForIsIgnored) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.ReleasesLeader("0.1"), IsEmpty());
  EXPECT_THAT(pool.ReleasesLeader("1.1"), IsEmpty());
  EXPECT_THAT(pool.ReleasesLeader("0.7"), IsEmpty());
  EXPECT_EQ(Leader(pool), 0);
  // From the life before.
  pool.Crashes("0.1");
  pool.Ready("0.2");
  EXPECT_THAT(pool.Crashes("1.1"), ElementsAre("spawn 1.2", "lead 0.2"));
  EXPECT_THAT(pool.ReleasesLeader("0.1"), IsEmpty());
  EXPECT_EQ(Leader(pool), 0);
}

TEST(PoolStateLeaderTest, AHungLeaderKeepsItUntilItIsGone) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Abort("0.1"), ElementsAre("ABRT 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(3)), ElementsAre("KILL 0.1"));
  EXPECT_EQ(Leader(pool), 0);
  EXPECT_THAT(pool.Exits("0.1", ExitStatus::Killed(SIGKILL)), ElementsAre("spawn 0.2", "lead 1.1"));
}

TEST(PoolStateLeaderTest, ASuccessorIsNoCandidate) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.soak = absl::Seconds(5)}});
  pool.Restart();
  EXPECT_THAT(pool.Ready("0.2"), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.ReleasesLeader("0.1"), ElementsAre("lead 0.2"));
}

TEST(PoolStateLeaderTest, ASuccessorThatInheritsTheSlotIsOne) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.soak = absl::Seconds(5)}});
  pool.Restart();
  pool.Ready("0.2");
  EXPECT_THAT(pool.Crashes("0.1"), ElementsAre("lead 0.2"));
}

TEST(PoolStateLeaderTest, NobodyGetsItDuringAShutdown) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Shutdown(), ElementsAre("drain 0.1", "drain 1.1", "unlead 0.1"));
  EXPECT_THAT(pool.ReleasesLeader("0.1"), IsEmpty());
  EXPECT_EQ(Leader(pool), -1);
  EXPECT_THAT(pool.Exits("0.1"), IsEmpty());
}

TEST(PoolStateLeaderTest, ATermedLeaderIsToldOnlyOnce) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  EXPECT_THAT(pool.Shutdown(ShutdownMode::kFast), ElementsAre("TERM 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Shutdown(), ElementsAre("KILL 0.1"));
  EXPECT_THAT(pool.Advance(absl::Seconds(1)), IsEmpty());
}

}  // namespace
}  // namespace squall::testing
