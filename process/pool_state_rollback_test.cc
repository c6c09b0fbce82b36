// Rolling restarts that fail: what ends them, what becomes of the workers, and which generation is
// started from then on.
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/restart_options.h"
#include "squall/process/testing/pool_script.h"

namespace squall::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// grace + 2 · kill_after + backoff.max + boot_timeout.
constexpr absl::Duration kPatience = absl::Seconds(130);
const ExitStatus kExit3 = ExitStatus::Exited(3);

TEST(PoolStateRollbackTest, TheThirdDeathAtBootEndsItAndTheOldGenerationStays) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  EXPECT_THAT(pool.Exits("0.2", kExit3), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.Exits("0.3", kExit3), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(200)), ElementsAre("spawn 0.4"));
  EXPECT_EQ(pool.restart().failures, 2);
  EXPECT_THAT(pool.Exits("0.4", kExit3), IsEmpty());
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kRestartFailed),
      ElementsAre("the restart to generation 2 failed: 3 of its workers were lost, the last: "
                  "worker 0 (pid 4) was lost: it exited with status 3 (boot failure); "
                  "generation 1 stays"));
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1");
  EXPECT_EQ(pool.view().restarts, 3u);
  EXPECT_EQ(pool.view().worker_generation, 1u);
  EXPECT_EQ(pool.view().observed_generation, pool.view().generation) << "it is at rest";
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
}

TEST(PoolStateRollbackTest, WhatWasReplacedComesBack) {
  PoolScript pool({.desired = 2, .max_workers = 2, .restart = {.max_failures = 1}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 1.1 READY g1, 1.2 STARTING successor g2");
  EXPECT_THAT(pool.Exits("1.2", kExit3), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartFailed),
              ElementsAre(HasSubstr("1 of its workers was lost: worker 1 (pid 102)")));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartFailed),
              ElementsAre(HasSubstr("generation 1 comes back")));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kRollingBack);
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 0.3 STARTING successor g1, 1.1 READY g1");
  EXPECT_THAT(pool.Ready("0.3"), ElementsAre("drain 0.2", "unlead 0.2"))
      << "without a soak: this generation has proven itself";
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kRestartEnded),
      ElementsAre("the restart to generation 2 ended without success after 0; 0 of 2 workers "
                  "are of this generation"));
  pool.Exits("0.2");
  EXPECT_EQ(pool.Show(), "0.3 READY g1, 1.1 READY g1");
  EXPECT_EQ(pool.view().observed_generation, pool.view().generation);
}

TEST(PoolStateRollbackTest, ARollBackWithoutSurgeTakesOneOutAtATimeToo) {
  PoolScript pool({.desired = 3,
                   .max_workers = 3,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1, .max_failures = 1}});
  pool.Restart();
  pool.Exits("0.1");
  pool.Ready("0.2");
  pool.Exits("1.1");
  pool.Ready("1.2");
  pool.Exits("2.1");
  EXPECT_THAT(pool.Exits("2.2", kExit3), ElementsAre("spawn 2.3"));
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 1.2 READY g2, 2.3 STARTING g1");
  EXPECT_THAT(pool.Ready("2.3"), ElementsAre("drain 0.2", "unlead 0.2"));
  EXPECT_THAT(pool.Exits("0.2"), ElementsAre("spawn 0.3", "lead 1.2"));
  EXPECT_THAT(pool.Ready("0.3"), ElementsAre("drain 1.2", "unlead 1.2"));
  pool.Exits("1.2");
  pool.Ready("1.3");
  EXPECT_EQ(pool.Show(), "0.3 READY g1, 1.3 READY g1, 2.3 READY g1");
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
}

TEST(PoolStateRollbackTest, PausedTheMixStaysButAFailedGenerationIsNotStartedAgain) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .restart = {.max_failures = 1, .on_failure = OnRestartFailure::kPause}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  EXPECT_THAT(pool.Exits("1.2", kExit3), IsEmpty());
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartFailed),
              ElementsAre(HasSubstr("; the workers stay as they are")));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartEnded),
              ElementsAre(HasSubstr("1 of 2 workers are of this generation")));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 1.1 READY g1");
  EXPECT_THAT(pool.Crashes("0.2"), ElementsAre("spawn 0.3", "lead 1.1"));
  EXPECT_EQ(pool.Show(), "0.3 STARTING g1, 1.1 READY g1");
}

TEST(PoolStateRollbackTest, AGenerationThatFailedIsNotStartedDuringALaterRestartEither) {
  PoolScript pool({.desired = 3,
                   .max_workers = 3,
                   .restart = {.max_failures = 1, .on_failure = OnRestartFailure::kPause}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  pool.Ready("1.2");
  pool.Exits("1.1");
  pool.Exits("2.2", kExit3);
  ASSERT_EQ(pool.Show(), "0.2 READY g2, 1.2 READY g2, 2.1 READY g1");
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.Crashes("1.2"), ElementsAre("spawn 1.3"));
  EXPECT_EQ(pool.pool().slot(1).generation, 1u);
}

TEST(PoolStateRollbackTest, ASlotWhoseBreakerOpensFailsItAtOnce) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .breaker = {.deaths = 1},
                   .restart = {.max_surge = 0, .max_unavailable = 1, .max_failures = 9}});
  pool.Restart();
  pool.Exits("0.1");
  EXPECT_THAT(pool.Exits("0.2", kExit3), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.Exits("0.3", kExit3), ElementsAre("spawn 0.4")) << "of generation 1, at once";
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartFailed),
              ElementsAre(HasSubstr("failed: slot 0 failed, the last death: worker 0 (pid 3)")));
  EXPECT_EQ(pool.Show(), "0.4 STARTING g1, 1.1 READY g1");
}

TEST(PoolStateRollbackTest, MinHealthyHoldsItAndItsDeadlineEndsIt) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1, .min_healthy = 2}});
  EXPECT_THAT(pool.Restart(), IsEmpty());
  EXPECT_EQ(pool.view().observed_generation, 1u) << "all are READY, but it is not done";
  EXPECT_THAT(pool.AdvanceToDeadline(kPatience), IsEmpty());
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kRestartFailed),
      ElementsAre("the restart to generation 2 failed: no worker was replaced within 2m10s: 2 "
                  "to be replaced, 2 ready where min_healthy is 2; generation 1 stays"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1");
}

TEST(PoolStateRollbackTest, OneThatCannotBeKilledHoldsItAndItsDeadlineEndsIt) {
  PoolScript pool(
      {.desired = 2, .max_workers = 2, .restart = {.on_failure = OnRestartFailure::kPause}});
  pool.Restart();
  pool.Ready("0.2");
  const MonotonicTime begin = pool.now();
  while (pool.restart().runs()) {
    ASSERT_LE(pool.now() - begin, kPatience);
    pool.Advance(pool.pool().next_deadline() - pool.now());
  }
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kRestartFailed),
      ElementsAre(HasSubstr("within 2m10s: 1 to be replaced, 1 old not ended; the workers")));
  EXPECT_EQ(pool.Show(), "0.1 DRAINING leaving g1, 0.2 READY g2, 1.1 READY g1");
}

TEST(PoolStateRollbackTest, ForksThatFailAreNoFailuresOfTheGenerationButNoProgressEither) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.ForksFail(true);
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(200)), ElementsAre("spawn 0.4"));
  const MonotonicTime begin = pool.now();
  while (pool.restart().phase == RestartPhase::kRunning) {
    ASSERT_LE(pool.now() - begin, kPatience);
    ASSERT_LE(pool.pool().next_deadline() - pool.now(), absl::Seconds(10)) << "the longest delay";
    pool.Advance(pool.pool().next_deadline() - pool.now());
  }
  EXPECT_EQ(pool.restart().failures, 0);
  EXPECT_GT(pool.view().spawn_failures, 15u);
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
}

TEST(PoolStateRollbackTest, ForksThatSucceedAgainAreInTime) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.ForksFail(true);
  pool.Restart();
  for (int i = 0; i < 10; ++i) pool.Advance(pool.pool().next_deadline() - pool.now());
  pool.ForksFail(false);
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(10)), ElementsAre("spawn 0.13"));
  pool.Ready("0.13");
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
}

TEST(PoolStateRollbackTest, ARollBackThatDoesNotMoveEndsToo) {
  PoolScript pool({.desired = 2, .max_workers = 2, .restart = {.max_failures = 1}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  pool.ForksFail(true);
  pool.Exits("1.2", kExit3);
  ASSERT_EQ(pool.restart().phase, RestartPhase::kRollingBack);
  const MonotonicTime begin = pool.now();
  while (pool.restart().runs()) {
    ASSERT_LE(pool.now() - begin, kPatience);
    pool.Advance(pool.pool().next_deadline() - pool.now());
  }
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kRestartFailed),
      ElementsAre(HasSubstr("rolling back to generation 1 failed: no worker was replaced")));
  EXPECT_EQ(pool.Show(), "0.2 READY g2, 1.1 READY g1") << "who serves is not taken out";
}

TEST(PoolStateRollbackTest, AMasterThatStoodStillGivesMoreTimeOnce) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1, .min_healthy = 2}});
  pool.Restart();
  pool.Advance(kPatience + absl::Hours(1));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kRunning);
  pool.Advance(kPatience + absl::Hours(1));
  EXPECT_NE(pool.restart().phase, RestartPhase::kRunning);
}

}  // namespace
}  // namespace squall::testing
