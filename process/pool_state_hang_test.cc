// Workers that the watchdog gives up: a signal, some time to write down where it hung, KILL; and
// the death counts as a hang.
#include <csignal>
#include <cstddef>
#include <cstdint>

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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kAbortGrace = absl::Seconds(3);  // PoolScript's.
constexpr absl::Duration kKillAfter = absl::Seconds(5);
const ExitStatus kAborted = ExitStatus::Killed(SIGABRT, true);
const ExitStatus kKilled = ExitStatus::Killed(SIGKILL);

uint64_t Hangs(const SlotView& slot) { return slot.deaths[static_cast<size_t>(DeathCause::kHung)]; }

TEST(PoolStateHangTest, AbortThenKillUntilItIsGone) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Abort("1.1"), ElementsAre("ABRT 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kAborted),
              ElementsAre("worker 1 (pid 101) is given up: stalled for 12s in GET /report; SIGKILL "
                          "in 3s"));
  EXPECT_EQ(pool.pool().slot(1).stop_step, StopStep::kAbortSent);
  EXPECT_EQ(pool.pool().slot(1).state, WorkerState::kReady) << "it may still answer something";
  EXPECT_THAT(pool.AdvanceToDeadline(kAbortGrace), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(kKillAfter), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.Exits("1.1", kKilled), ElementsAre("spawn 1.2"));
  EXPECT_EQ(Hangs(pool.pool().slot(1)), 1u);
}

TEST(PoolStateHangTest, WhateverItMakesOfTheSignalCountsAsHung) {
  const struct {
    const char* name;
    ExitStatus status;
    bool out_of_memory;
  } kCases[] = {{"aborted", kAborted, false},
                {"exit 0", ExitStatus::Exited(0), false},
                {"exit 3", ExitStatus::Exited(3), false},
                {"killed, for memory", kKilled, true}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    PoolScript pool({.desired = 1, .max_workers = 1});
    pool.Abort("0.1");
    EXPECT_THAT(pool.Send(WorkerExited{0, 1, c.status, c.out_of_memory}), ElementsAre("spawn 0.2"));
    EXPECT_EQ(Hangs(pool.pool().slot(0)), 1u);
    EXPECT_EQ(pool.pool().slot(0).last_exit->cause, DeathCause::kHung);
    EXPECT_EQ(pool.pool().slot(0).last_exit->status, c.status);
    EXPECT_EQ(pool.view().restarts, 1u);
    EXPECT_THAT(pool.Notes(PoolNote::Type::kWorkerDied),
                ElementsAre(HasSubstr("(hung), restarting")));
  }
}

TEST(PoolStateHangTest, HangsOpenTheBreakerAndAreTallied) {
  PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = 1}});
  pool.Abort("1.1");
  pool.Exits("1.1", kAborted);
  pool.Ready("1.2");
  pool.Abort("1.2");
  EXPECT_THAT(pool.Exits("1.2", kAborted), IsEmpty());
  EXPECT_THAT(pool.Notes(PoolNote::Type::kBreakerOpen),
              ElementsAre("slot 1 failed: 2 deaths within 5m (in all 2 × hung); next trial in 5m"));
}

TEST(PoolStateHangTest, ReleasedMeanwhileItIsNoCrashAndKeepsItsDeadline) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Abort("1.1");
  pool.Advance(absl::Seconds(1));
  EXPECT_THAT(pool.Resize(1), IsEmpty()) << "a drain would ask for less";
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 1.1 DRAINING g1");
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(2)), ElementsAre("KILL 1.1")) << "no TERM";
  EXPECT_THAT(pool.Exits("1.1", kKilled), IsEmpty());
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.view().observed_generation, 2u);
}

TEST(PoolStateHangTest, AFastShutdownLeavesItItsTimeAndAKillDoesNot) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Abort("0.1");
  EXPECT_THAT(pool.Shutdown(ShutdownMode::kFast), IsEmpty());
  EXPECT_EQ(pool.pool().next_deadline() - pool.now(), kAbortGrace);
  EXPECT_THAT(pool.Shutdown(ShutdownMode::kKill), ElementsAre("KILL 0.1"));
  EXPECT_THAT(pool.Exits("0.1", kKilled), ElementsAre("finish 0"));
}

TEST(PoolStateHangTest, IgnoredUnlessItServes) {
  PoolScript pool({.desired = 3, .max_workers = 8});
  pool.Resize(4);
  pool.Resize(3);
  pool.Crashes("2.1");
  ASSERT_EQ(pool.Show(), "0.1 READY g1, 1.1 READY g1, 2.2 STARTING g1, 3.1 DRAINING g1");
  for (const char* worker : {"2.2", "3.1", "2.1", "0.2", "5.1", "99.1"}) {
    SCOPED_TRACE(worker);
    EXPECT_THAT(pool.Abort(worker), IsEmpty());
    EXPECT_FALSE(pool.Noted(PoolNote::Type::kAborted));
  }
  pool.Crashes("2.2");
  ASSERT_EQ(pool.pool().slot(2).state, WorkerState::kBackoff);
  EXPECT_THAT(pool.Abort("2.2"), IsEmpty());
  pool.Abort("1.1");
  pool.Advance(absl::Seconds(1));
  EXPECT_THAT(pool.Abort("1.1"), IsEmpty()) << "a second verdict gives no more time";
  EXPECT_THAT(pool.Advance(absl::Seconds(2)), ElementsAre("KILL 1.1"));
}

TEST(PoolStateHangTest, AMasterThatStoodStillGivesMoreTimeOnce) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Abort("0.1");
  EXPECT_THAT(pool.Advance(kAbortGrace + absl::Hours(1)), IsEmpty());
  EXPECT_TRUE(pool.Noted(PoolNote::Type::kDeadlineExtended));
  EXPECT_THAT(pool.Advance(kKillAfter + absl::Hours(1)), ElementsAre("KILL 0.1"));
}

TEST(PoolStateHangTest, ANewGenerationThatHangsFailsItsRestart) {
  PoolScript pool(
      {.desired = 1, .max_workers = 1, .restart = {.soak = absl::Seconds(2), .max_failures = 1}});
  pool.Restart();
  pool.Ready("0.2");
  EXPECT_THAT(pool.Abort("0.2"), ElementsAre("ABRT 0.2"));
  EXPECT_THAT(pool.Advance(absl::Seconds(2)), IsEmpty()) << "the soak's end is no matter any more";
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(1)), ElementsAre("KILL 0.2"));
  EXPECT_THAT(pool.Exits("0.2", kKilled), IsEmpty());
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
}

TEST(PoolStateHangTest, AHungOneIsNotTakenOutButCounted) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1}});
  pool.Abort("0.1");
  EXPECT_THAT(pool.Restart(), IsEmpty());
  EXPECT_THAT(pool.Exits("0.1", kAborted), ElementsAre("spawn 0.2", "lead 1.1"));
  EXPECT_EQ(Hangs(pool.pool().slot(0)), 1u);
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.2"));
}

TEST(PoolStateHangTest, AHungPredecessorIsReplacedLikeAnyOther) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Abort("0.1");
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
  EXPECT_THAT(pool.Exits("0.1", kAborted), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.2 STARTING g2");
  EXPECT_EQ(Hangs(pool.pool().slot(0)), 1u) << "the slot's, whichever row its worker is in";
}

}  // namespace
}  // namespace squall::testing
