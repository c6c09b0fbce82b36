// Single workers that make room for new ones: recycled, one slot at a time, or killed by hand.
#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/restart_options.h"
#include "squall/process/testing/pool_script.h"
#include "squall/process/worker_state.h"

namespace squall::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ExitStatus kExit3 = ExitStatus::Exited(3);
const ExitStatus kKilled = ExitStatus::Killed(SIGKILL);

// ---------------------------------------------------------------------------------------------------
// Recycling.

TEST(PoolStateReplaceTest, TheNewOneServesBeforeTheOldOneStops) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Replace("1.1"), ElementsAre("spawn 1.2"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kReplaceWanted),
              ElementsAre("worker 1 (pid 101) is to be replaced: served 1000 requests"));
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1, 1.2 STARTING successor g1");
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kTakenOver),
              ElementsAre("worker 1 (pid 102) takes over from worker 1 (pid 101)"));
  EXPECT_THAT(pool.Exits("1.1"), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.2 READY g1");
  EXPECT_EQ(pool.view().restarts, 0u) << "it was asked to";
  EXPECT_EQ(pool.view().generation, 1u) << "and no new generation";
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
}

TEST(PoolStateReplaceTest, OneSlotAtATime) {
  PoolScript pool({.desired = 3, .max_workers = 3, .surge_slots = 3});
  EXPECT_THAT(pool.Replace("2.1"), ElementsAre("spawn 2.2"));
  EXPECT_THAT(pool.Replace("1.1"), IsEmpty());
  EXPECT_THAT(pool.Replace("0.1"), IsEmpty());
  EXPECT_THAT(pool.Ready("2.2"), ElementsAre("drain 2.1"));
  EXPECT_THAT(pool.Exits("2.1"), ElementsAre("spawn 0.2")) << "when the first one is gone";
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 1.2", "lead 0.2"));
}

TEST(PoolStateReplaceTest, WithoutSurgeSlotsItIsTakenOutFirst) {
  PoolScript pool(
      {.desired = 2, .max_workers = 2, .surge_slots = 0, .restart = {.max_unavailable = 1}});
  EXPECT_THAT(pool.Replace("1.1"), ElementsAre("drain 1.1"));
  EXPECT_THAT(pool.Replace("0.1"), IsEmpty());
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("spawn 1.2"));
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 0.1", "unlead 0.1"));
}

TEST(PoolStateReplaceTest, ItWaitsForWhateverIsOnItsWay) {
  // A worker that starts, after a crash or because the pool grows, and one that waits out its
  // back-off.
  PoolScript starting({.desired = 2, .max_workers = 2});
  starting.Crashes("0.1");
  EXPECT_THAT(starting.Replace("1.1"), IsEmpty());
  EXPECT_THAT(starting.Crashes("0.2"), IsEmpty());
  ASSERT_EQ(starting.pool().slot(0).state, WorkerState::kBackoff);
  EXPECT_THAT(starting.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.3"));
  EXPECT_THAT(starting.Ready("0.3"), ElementsAre("spawn 1.2"));

  // But not for a slot that may stay FAILED for long.
  PoolScript failed({.desired = 2, .max_workers = 2, .breaker = {.deaths = 0}});
  failed.Crashes("0.1");
  ASSERT_EQ(failed.pool().slot(0).state, WorkerState::kFailed);
  EXPECT_THAT(failed.Replace("1.1"), ElementsAre("spawn 1.2"));
}

TEST(PoolStateReplaceTest, IgnoredUnlessItServes) {
  PoolScript pool({.desired = 3, .max_workers = 8});
  pool.Resize(4);
  pool.Resize(3);
  pool.Crashes("2.1");
  ASSERT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1, 2.2 STARTING g1, 3.1 DRAINING g1");
  const struct {
    const char* name;
    const char* worker;
  } kCases[] = {{"starting", "2.2"}, {"draining", "3.1"},   {"dead", "2.1"},
                {"future", "0.2"},   {"empty slot", "5.1"}, {"no such slot", "99.1"}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(pool.Replace(c.worker), IsEmpty());
    EXPECT_FALSE(pool.Noted(PoolNote::Type::kReplaceWanted));
  }
  // Hung: it is on its way out already.
  pool.Ready("2.2");
  pool.Exits("3.1");
  pool.Abort("1.1");
  EXPECT_THAT(pool.Replace("1.1"), IsEmpty());
  EXPECT_FALSE(pool.Noted(PoolNote::Type::kReplaceWanted));
}

TEST(PoolStateReplaceTest, AskedTwiceIsOnce) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Replace("0.1");
  EXPECT_THAT(pool.Replace("0.1"), IsEmpty());
  EXPECT_FALSE(pool.Noted(PoolNote::Type::kReplaceWanted));
  pool.Ready("0.2");
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("lead 0.2"));
}

TEST(PoolStateReplaceTest, ARestartReplacesItAnyway) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  EXPECT_THAT(pool.Replace("1.1"), IsEmpty());
  pool.Ready("0.2");
  pool.Exits("0.1");
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 1.1"));
  EXPECT_THAT(pool.Exits("1.1"), IsEmpty()) << "and only once";
}

TEST(PoolStateReplaceTest, ARestartDuringAReplacementReplacesTheSuccessorToo) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Replace("0.1");
  EXPECT_THAT(pool.Restart(), IsEmpty()) << "the surge is taken";
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 0.3", "lead 0.2"));
  EXPECT_EQ(pool.Show(), "0.2 READY g1, 0.3 STARTING successor g2");
}

TEST(PoolStateReplaceTest, ItStaysWhileItsSuccessorsDie) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Replace("0.1");
  absl::Duration delay = absl::Milliseconds(100);
  for (int i = 2; i < 20; ++i) {
    EXPECT_THAT(pool.Exits(absl::StrCat("0.", i), kExit3), IsEmpty());
    EXPECT_EQ(pool.Show(), "0.1 READY g1");
    EXPECT_THAT(pool.AdvanceToDeadline(delay), ElementsAre(absl::StrCat("spawn 0.", i + 1)));
    delay = std::min(delay * 2, absl::Seconds(10));
  }
  EXPECT_EQ(pool.view().restarts, 18u) << "these were crashes";
  // A success forgets the delays.
  pool.Ready("0.20");
  pool.Exits("0.1");
  pool.Replace("0.20");
  pool.Exits("0.21", kExit3);
  EXPECT_EQ(pool.pool().next_deadline() - pool.now(), absl::Milliseconds(100));
}

TEST(PoolStateReplaceTest, ForksThatFailAreTriedAgain) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.ForksFail(true);
  EXPECT_THAT(pool.Replace("0.1"), ElementsAre("spawn 0.2"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.3"));
  pool.ForksFail(false);
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(200)), ElementsAre("spawn 0.4"));
  EXPECT_THAT(pool.Ready("0.4"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.view().spawn_failures, 2u);
}

TEST(PoolStateReplaceTest, AWorkerThatDiesMeanwhileLeavesItsSlotToTheSuccessor) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Replace("0.1");
  EXPECT_THAT(pool.Crashes("0.1"), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.2 STARTING g1");
  EXPECT_EQ(pool.view().restarts, 1u);
  EXPECT_THAT(pool.Crashes("0.2"), ElementsAre("spawn 0.3")) << "it holds the slot now";
}

TEST(PoolStateReplaceTest, AShrinkEndsItForTheSlot) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Replace("1.1");
  EXPECT_THAT(pool.Resize(1), ElementsAre("drain 1.2", "drain 1.1"));
  EXPECT_THAT(pool.Exits("1.1"), IsEmpty());
  EXPECT_THAT(pool.Exits("1.2"), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
}

TEST(PoolStateReplaceTest, AShutdownForgetsIt) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Replace("0.1");
  pool.Exits("0.2", kExit3);
  EXPECT_THAT(pool.Shutdown(), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(30)), ElementsAre("TERM 0.1"))
      << "nothing else to wake up for";
}

TEST(PoolStateReplaceTest, OneOfAFailedGenerationGetsAProvenSuccessor) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .restart = {.max_failures = 1, .on_failure = OnRestartFailure::kPause}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  pool.Exits("1.2", kExit3);
  ASSERT_EQ(pool.Show(), "0.2 READY g2, 1.1 READY g1");
  pool.Replace("0.2");
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 0.3 STARTING successor g1, 1.1 READY g1");
}

// ---------------------------------------------------------------------------------------------------
// Killing.

TEST(PoolStateReplaceTest, KilledByHandItsSlotStartsAgainAndNothingIsCounted) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Kill("1.1"), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kKillRequested),
              ElementsAre("worker 1 (pid 101) is to be killed, requested by uid 1000"));
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.1 DRAINING refill g1");
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.Exits("1.1", kKilled), ElementsAre("spawn 1.2"));
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.pool().slot(1).last_exit->cause, DeathCause::kNone);
  EXPECT_EQ(pool.pool().slot(1).last_exit->status, kKilled);
}

TEST(PoolStateReplaceTest, KillWorksInEveryStateWithAProcess) {
  PoolScript pool({.desired = 3, .max_workers = 4});
  pool.Resize(4);
  pool.Resize(3);
  pool.Crashes("2.1");
  ASSERT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1, 2.2 STARTING g1, 3.1 DRAINING g1");
  EXPECT_THAT(pool.Kill("2.2"), ElementsAre("KILL 2.2"));
  EXPECT_THAT(pool.Kill("3.1"), ElementsAre("KILL 3.1"));
  pool.Abort("1.1");
  EXPECT_THAT(pool.Kill("1.1"), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.Kill("1.1"), IsEmpty()) << "once is enough";
  EXPECT_EQ(pool.Show(),
            "0.1 READY g1, 1.1 DRAINING refill g1, 2.2 DRAINING refill g1, 3.1 DRAINING g1");
  EXPECT_THAT(pool.Exits("1.1", kKilled), ElementsAre("spawn 1.2"));
  EXPECT_THAT(pool.Exits("2.2", kKilled), ElementsAre("spawn 2.3"));
  EXPECT_THAT(pool.Exits("3.1", kKilled), IsEmpty()) << "this slot was no longer wanted";
  EXPECT_EQ(pool.view().restarts, 1u) << "the crash before";
}

TEST(PoolStateReplaceTest, KillOfOneThatIsNoMoreIsIgnored) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Crashes("0.1");
  EXPECT_THAT(pool.Kill("0.1"), IsEmpty());
  EXPECT_FALSE(pool.Noted(PoolNote::Type::kKillRequested));
  pool.Crashes("0.2");
  ASSERT_EQ(pool.pool().slot(0).state, WorkerState::kBackoff);
  EXPECT_THAT(pool.Kill("0.2"), IsEmpty());
  EXPECT_EQ(pool.pool().slot(0).state, WorkerState::kBackoff);
}

TEST(PoolStateReplaceTest, AShrinkWhileItDiesGivesTheSlotUp) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Kill("1.1");
  EXPECT_THAT(pool.Resize(1), IsEmpty());
  EXPECT_THAT(pool.Exits("1.1", kKilled), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
  EXPECT_EQ(pool.view().observed_generation, 2u);
}

TEST(PoolStateReplaceTest, AShutdownWhileItDiesStartsNothing) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Kill("0.1");
  EXPECT_THAT(pool.Shutdown(), IsEmpty());
  EXPECT_THAT(pool.Exits("0.1", kKilled), ElementsAre("finish 0"));
}

}  // namespace
}  // namespace squall::testing
