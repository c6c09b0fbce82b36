// Single workers and the pool as a whole: start, deaths and back-off, breaker, ladder, shutdown. The
// files beside this one are about resizes, restarts, replacements, hung workers and the leader.
#include "squall/process/pool_state.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/testing/pool_script.h"
#include "squall/process/worker_state.h"

namespace squall::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kBoot = absl::Seconds(60);
constexpr absl::Duration kGrace = absl::Seconds(30);
constexpr absl::Duration kKillAfter = absl::Seconds(5);
constexpr absl::Duration kCoolDown = absl::Minutes(5);
const ExitStatus kExit0 = ExitStatus::Exited(0);
const ExitStatus kExit1 = ExitStatus::Exited(1);
const ExitStatus kKilled = ExitStatus::Killed(SIGKILL);

uint64_t Deaths(const PoolScript& pool, int slot, DeathCause cause) {
  return pool.pool().slot(slot).deaths[static_cast<size_t>(cause)];
}

WorkerState State(const PoolScript& pool, int slot) { return pool.pool().slot(slot).state; }

// ---------------------------------------------------------------------------------------------------
// Start.

TEST(PoolStateTest, StartsTheDesiredWorkersInTheOrderOfTheirIds) {
  PoolScript pool({.desired = 3, .max_workers = 8}, PoolScript::Begin::kNotStarted);
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
  EXPECT_THAT(pool.Send(PoolStart{}), ElementsAre("spawn 0.1", "spawn 1.1", "spawn 2.1"));
  EXPECT_EQ(pool.pool().next_deadline(), pool.now() + kBoot);
  EXPECT_EQ(pool.view().observed_generation, 0u);
  EXPECT_THAT(pool.Ready("0.1"), ElementsAre("lead 0.1"));
  EXPECT_THAT(pool.Ready("1.1"), IsEmpty());
  EXPECT_THAT(pool.Ready("2.1"), IsEmpty());
  EXPECT_EQ(pool.view().count(WorkerState::kReady), 3);
  EXPECT_EQ(pool.view().observed_generation, 1u);
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite()) << "an idle pool needs no timer";
  EXPECT_THAT(pool.Send(PoolStart{}), IsEmpty());
}

TEST(PoolStateTest, ReadyInTheSameInstantAsTheBootTimeoutCounts) {
  PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kStarting);
  pool.Sleep(kBoot);  // The tick of this instant is yet to come.
  EXPECT_THAT(pool.Ready("0.1"), ElementsAre("lead 0.1"));
}

TEST(PoolStateTest, ABootTimeoutKillsAndCounts) {
  PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kStarting);
  EXPECT_THAT(pool.AdvanceToDeadline(kBoot), ElementsAre("KILL 0.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kBootTimeout),
              ElementsAre("worker 0 (pid 1) was not ready within 1m"));
  EXPECT_THAT(pool.Ready("0.1"), IsEmpty());
  EXPECT_EQ(State(pool, 0), WorkerState::kStarting) << "too late";
  EXPECT_THAT(pool.AdvanceToDeadline(kKillAfter), ElementsAre("KILL 0.1"))
      << "an unkillable process is killed again";
  EXPECT_THAT(pool.Exits("0.1", kKilled), ElementsAre("spawn 0.2"));
  EXPECT_EQ(pool.pool().slot(0).last_exit->cause, DeathCause::kBootTimeout);
}

TEST(PoolStateTest, AFailedForkIsTriedAgainAndIsNotADeath) {
  PoolScript pool({.desired = 1, .max_workers = 1, .max_restarts = 1},
                  PoolScript::Begin::kNotStarted);
  pool.ForksFail(true);
  pool.Send(PoolStart{});
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 2; i <= 20; ++i) {
    EXPECT_EQ(State(pool, 0), WorkerState::kBackoff);
    EXPECT_THAT(pool.AdvanceToDeadline(expected), ElementsAre(absl::StrCat("spawn 0.", i)));
    expected = std::min(expected * 2, absl::Seconds(10));
  }
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.view().spawn_failures, 20u);
  EXPECT_FALSE(pool.pool().finished());
  // A success ends the series.
  pool.ForksFail(false);
  pool.Advance(absl::Seconds(10));
  pool.Ready("0.21");
  pool.ForksFail(true);
  EXPECT_THAT(pool.Crashes("0.21"), ElementsAre("spawn 0.22"));
  EXPECT_EQ(pool.pool().next_deadline() - pool.now(), absl::Milliseconds(100));
}

// ---------------------------------------------------------------------------------------------------
// Deaths.

TEST(PoolStateTest, ADeathIsAnsweredAtOnceThenWithGrowingDelays) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Exits("1.1", kKilled), ElementsAre("spawn 1.2")) << "the first restart is free";
  EXPECT_THAT(pool.Notes(PoolNote::Type::kWorkerDied),
              ElementsAre("worker 1 (pid 101) was killed by signal 9 (SIGKILL) (signaled), "
                          "restarting"));
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 2; i < 7; ++i) {
    EXPECT_THAT(pool.Exits(absl::StrCat("1.", i), kExit1), IsEmpty());
    EXPECT_EQ(State(pool, 1), WorkerState::kBackoff);
    EXPECT_THAT(pool.AdvanceToDeadline(expected), ElementsAre(absl::StrCat("spawn 1.", i + 1)));
    expected *= 2;
  }
  EXPECT_EQ(State(pool, 0), WorkerState::kReady);
  EXPECT_EQ(pool.pool().slot(1).restarts, 6u);
  EXPECT_EQ(Deaths(pool, 1, DeathCause::kSignaled), 1u);
  EXPECT_EQ(Deaths(pool, 1, DeathCause::kBootFailure), 5u);
  EXPECT_EQ(pool.pool().slot(1).incarnation, 7u);
}

TEST(PoolStateTest, CausesOfDeath) {
  const struct {
    bool ready;
    ExitStatus status;
    bool out_of_memory;
    DeathCause cause;
  } kCases[] = {{true, kExit1, false, DeathCause::kExited},
                {true, kKilled, false, DeathCause::kSignaled},
                {true, kKilled, true, DeathCause::kOutOfMemory},
                {false, kExit1, false, DeathCause::kBootFailure},
                {false, kKilled, false, DeathCause::kBootFailure},
                {false, kKilled, true, DeathCause::kOutOfMemory}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(absl::StrCat(c.ready ? "ready, " : "booting, ", c.status.ToString()));
    PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kStarting);
    if (c.ready) pool.Ready("0.1");
    pool.Send(WorkerExited{0, 1, c.status, c.out_of_memory});
    EXPECT_EQ(pool.pool().slot(0).last_exit->cause, c.cause);
    EXPECT_EQ(pool.pool().slot(0).last_exit->status, c.status);
    EXPECT_EQ(pool.pool().slot(0).last_exit->pid, 1);
    EXPECT_EQ(Deaths(pool, 0, c.cause), 1u);
  }
}

TEST(PoolStateTest, AHealthyMinuteForgetsTheBackoff) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Exits("0.1", kExit1);
  pool.Ready("0.2");
  pool.Advance(absl::Seconds(59));
  EXPECT_THAT(pool.Exits("0.2", kExit1), IsEmpty());
  pool.AdvanceToDeadline(absl::Milliseconds(100));
  pool.Ready("0.3");
  pool.Advance(absl::Seconds(60));
  EXPECT_THAT(pool.Exits("0.3", kExit1), ElementsAre("spawn 0.4"));
}

TEST(PoolStateTest, ExitZeroIsDoneAndTheLastOneEndsTheMaster) {
  PoolScript pool({.desired = 2, .max_workers = 4, .max_restarts = 0});
  EXPECT_THAT(pool.Exits("0.1", kExit0), ElementsAre("lead 1.1"));
  EXPECT_EQ(State(pool, 0), WorkerState::kDone);
  EXPECT_EQ(pool.view().observed_generation, 1u);
  EXPECT_THAT(pool.Exits("1.1", kExit0), ElementsAre("finish 0"));
  EXPECT_TRUE(pool.pool().finished());
  EXPECT_THAT(pool.Resize(3), IsEmpty());
}

TEST(PoolStateTest, ExitZeroBeforeReadyIsDoneToo) {
  // Tornado's test_multi_process: a worker that never runs a loop.
  PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kStarting);
  EXPECT_THAT(pool.Exits("0.1", kExit0), ElementsAre("finish 0"));
}

// ---------------------------------------------------------------------------------------------------
// Breaker and limit.

TEST(PoolStateTest, TheBreakerOpensAndTriesAgain) {
  PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = 1}});
  pool.Exits("1.1", kExit1);
  EXPECT_THAT(pool.Exits("1.2", kExit1), IsEmpty());
  EXPECT_EQ(State(pool, 1), WorkerState::kFailed);
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kBreakerOpen),
      ElementsAre("slot 1 failed: 2 deaths within 5m (in all 1 × exited, 1 × boot failure); "
                  "next trial in 5m"));
  EXPECT_EQ(State(pool, 0), WorkerState::kReady) << "the others serve on";
  EXPECT_THAT(pool.AdvanceToDeadline(kCoolDown), ElementsAre("spawn 1.3"));
  EXPECT_TRUE(pool.Noted(PoolNote::Type::kBreakerTrial));
  EXPECT_THAT(pool.Exits("1.3", kExit1), IsEmpty());
  EXPECT_EQ(State(pool, 1), WorkerState::kFailed) << "one death of the trial worker is enough";
  pool.AdvanceToDeadline(kCoolDown);
  pool.Ready("1.4");
  pool.AdvanceToDeadline(absl::Seconds(60));
  EXPECT_TRUE(pool.Noted(PoolNote::Type::kBreakerClosed));
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
  EXPECT_THAT(pool.Exits("1.4", kExit1), ElementsAre("spawn 1.5")) << "all is forgotten";
}

TEST(PoolStateTest, TheLastThatServesComesBackSoonWhateverItsDeaths) {
  PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = 1}});
  pool.Crashes("1.1");
  pool.Crashes("1.2");
  ASSERT_EQ(State(pool, 1), WorkerState::kFailed);
  EXPECT_THAT(pool.Crashes("0.1"), ElementsAre("spawn 0.2"));
  for (int i = 2; i <= 20; ++i) {
    pool.Ready(absl::StrCat("0.", i));
    pool.Crashes(absl::StrCat("0.", i));
    ASSERT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)),
                ElementsAre(absl::StrCat("spawn 0.", i + 1)));
  }
  // One that does not even come up serves nobody.
  pool.Crashes("0.21");
  pool.AdvanceToDeadline(absl::Milliseconds(100));
  pool.Crashes("0.22");
  EXPECT_EQ(State(pool, 0), WorkerState::kFailed);
}

TEST(PoolStateTest, TheLastThatServesIsNotOneOfTwo) {
  PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = 1}});
  pool.Crashes("1.1");
  pool.Ready("1.2");
  EXPECT_THAT(pool.Crashes("1.2"), IsEmpty());
  EXPECT_EQ(State(pool, 1), WorkerState::kFailed);
}

TEST(PoolStateTest, DeathsOutsideTheWindowDoNotOpenTheBreaker) {
  PoolScript pool({.desired = 1, .max_workers = 1, .breaker = {.deaths = 2}});
  for (int i = 1; i <= 20; ++i) {
    pool.Advance(absl::Minutes(3));
    pool.Exits(absl::StrCat("0.", i), kExit1);
    ASSERT_NE(State(pool, 0), WorkerState::kFailed);
    if (State(pool, 0) == WorkerState::kBackoff) {
      pool.Advance(pool.pool().next_deadline() - pool.now());
    }
    pool.Ready(absl::StrCat("0.", i + 1));
  }
}

TEST(PoolStateTest, TornadosLimitStopsEveryWorkerAndExitsOne) {
  PoolScript pool({.desired = 2, .max_workers = 2, .max_restarts = 2});
  pool.Exits("0.1", kExit1);
  pool.Exits("0.2", kExit1);
  pool.AdvanceToDeadline(absl::Milliseconds(100));
  EXPECT_THAT(pool.Exits("0.3", kExit1), ElementsAre("TERM 1.1", "unlead 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kGivingUp),
              ElementsAre("Too many child restarts, giving up: more than 2"));
  EXPECT_THAT(pool.Exits("1.1", ExitStatus::Killed(SIGTERM)), ElementsAre("finish 1"));
}

TEST(PoolStateTest, TheBreakerDoesNotKeepTornadosLimitFromBeingReached) {
  PoolScript pool({.desired = 1, .max_workers = 1, .breaker = {.deaths = 1}, .max_restarts = 3});
  for (int i = 1; i <= 3; ++i) {
    pool.Exits(absl::StrCat("0.", i), kExit1);
    if (State(pool, 0) == WorkerState::kBackoff) {
      pool.Advance(pool.pool().next_deadline() - pool.now());
    }
  }
  EXPECT_THAT(pool.Exits("0.4", kExit1), ElementsAre("finish 1"));
}

// ---------------------------------------------------------------------------------------------------
// The ladder.

TEST(PoolStateTest, TheLadder) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Resize(1), ElementsAre("drain 1.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kDrainStarted),
              ElementsAre("worker 1 (pid 101) is asked to stop; SIGTERM in 30s"));
  EXPECT_THAT(pool.AdvanceToDeadline(kGrace), ElementsAre("TERM 1.1"));
  EXPECT_EQ(pool.pool().slot(1).stop_step, StopStep::kTermSent);
  EXPECT_THAT(pool.AdvanceToDeadline(kKillAfter), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(kKillAfter), ElementsAre("KILL 1.1"));
  EXPECT_THAT(pool.Exits("1.1", kKilled), IsEmpty());
  EXPECT_THAT(pool.Notes(PoolNote::Type::kWorkerStopped),
              ElementsAre("worker 1 (pid 101) stopped as asked: killed by signal 9 (SIGKILL) after "
                          "40s"));
  EXPECT_EQ(State(pool, 1), WorkerState::kEmpty);
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
}

TEST(PoolStateTest, AWorkerThatStartsIsDrainedToo) {
  PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kStarting);
  EXPECT_THAT(pool.Resize(0), ElementsAre("drain 0.1"));
  EXPECT_THAT(pool.Ready("0.1"), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(kGrace), ElementsAre("TERM 0.1"));
}

TEST(PoolStateTest, AMasterThatStoodStillGivesOneMorePeriod) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Resize(1);
  EXPECT_THAT(pool.Advance(kGrace + absl::Hours(1)), IsEmpty());
  EXPECT_THAT(pool.Notes(PoolNote::Type::kDeadlineExtended),
              ElementsAre("the master stood still for 1h; worker 1 (pid 101) gets 30s more"));
  EXPECT_THAT(pool.AdvanceToDeadline(kGrace), ElementsAre("TERM 1.1"));
  // Only once a step: a master that is always late must not wait for ever.
  EXPECT_THAT(pool.Advance(absl::Hours(1)), IsEmpty());
  EXPECT_THAT(pool.Advance(absl::Hours(1)), ElementsAre("KILL 1.1"));
}

TEST(PoolStateTest, AMasterThatStoodStillGivesMoreTimeToBoot) {
  PoolScript pool({.desired = 1, .max_workers = 1, .boot_timeout = absl::Seconds(8)},
                  PoolScript::Begin::kStarting);
  EXPECT_THAT(pool.Advance(absl::Seconds(14)), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(6)), ElementsAre("KILL 0.1"))
      << "no more than it stood still";
}

// ---------------------------------------------------------------------------------------------------
// Shutdown.

TEST(PoolStateTest, GracefulShutdownDrainsAllAndEndsWithZero) {
  PoolScript pool({.desired = 2, .max_workers = 3});
  EXPECT_THAT(pool.Shutdown(), ElementsAre("drain 0.1", "drain 1.1", "unlead 0.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kShutdownRequested),
              ElementsAre("shutdown (graceful) requested by signal TERM"));
  EXPECT_THAT(pool.Exits("0.1", kExit1), IsEmpty());
  EXPECT_THAT(pool.Exits("1.1", kExit0), ElementsAre("finish 0"));
  EXPECT_EQ(pool.view().restarts, 0u);
}

TEST(PoolStateTest, RepeatedShutdownsEscalate) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  EXPECT_THAT(pool.Shutdown(), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Shutdown(), ElementsAre("TERM 0.1"));
  EXPECT_EQ(pool.pool().next_deadline(), pool.now() + kKillAfter);
  EXPECT_THAT(pool.Shutdown(), ElementsAre("KILL 0.1"));
  EXPECT_THAT(pool.Shutdown(), IsEmpty());
  EXPECT_THAT(pool.Exits("0.1", kKilled), ElementsAre("finish 0"));
}

TEST(PoolStateTest, FastShutdownWithoutProcessesEndsAtOnce) {
  PoolScript pool({.desired = 1, .max_workers = 1, .breaker = {.deaths = 0}},
                  PoolScript::Begin::kStarting);
  pool.Exits("0.1", kExit1);
  ASSERT_EQ(State(pool, 0), WorkerState::kFailed);
  EXPECT_THAT(pool.Shutdown(ShutdownMode::kFast), ElementsAre("finish 0"));
}

TEST(PoolStateTest, ShutdownBeforeTheStart) {
  PoolScript pool({.desired = 1, .max_workers = 1}, PoolScript::Begin::kNotStarted);
  EXPECT_THAT(pool.Shutdown(), ElementsAre("finish 0"));
  EXPECT_THAT(pool.Send(PoolStart{}), IsEmpty());
}

TEST(PoolStateTest, AForkThatWasOnItsWayAtTheShutdown) {
  PoolState pool({.desired = 2, .max_workers = 2}, 1);
  const MonotonicTime now = MonotonicTime() + absl::Hours(1);
  pool.Step(PoolStart{}, now);
  pool.Step(ShutdownRequest{}, now);
  pool.Step(WorkerSpawnFailed{0, 1, "fork: EAGAIN"}, now);
  EXPECT_FALSE(pool.finished());
  pool.Step(WorkerSpawned{1, 1, 4711}, now);
  EXPECT_FALSE(pool.finished());
  pool.Step(WorkerExited{1, 1, kExit0}, now);
  EXPECT_TRUE(pool.finished());
}

TEST(PoolStateTest, StartsThatFailAreToldOncePerEpisode) {
  PoolScript pool({.desired = 2, .max_workers = 4});
  for (const int workers : {3, 4}) {
    pool.ForksFail(true);
    pool.Resize(workers);
    EXPECT_THAT(pool.Notes(PoolNote::Type::kSpawnFailed),
                ElementsAre(::testing::StartsWith(
                    absl::StrCat("cannot start worker ", workers - 1, ": fork: EAGAIN; next"))));
    const uint64_t failed = pool.view().spawn_failures;
    for (int i = 0; i < 5; ++i) {
      pool.Advance(absl::Seconds(10));
      EXPECT_FALSE(pool.Noted(PoolNote::Type::kSpawnFailed));
    }
    EXPECT_EQ(pool.view().spawn_failures, failed + 5) << "but counted";
    pool.ForksFail(false);
    pool.Advance(absl::Seconds(10));
    EXPECT_THAT(pool.Notes(PoolNote::Type::kWorkerStarting),
                ::testing::Contains("workers can be started again; attempts that failed: 6"));
  }
}

// ---------------------------------------------------------------------------------------------------
// What is seen.

TEST(PoolStateTest, EventsOfAnEarlierIncarnationAreIgnored) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Crashes("0.1");
  const uint64_t revision = pool.pool().revision();
  pool.Crashes("0.1");
  pool.Ready("0.1");
  pool.Send(WorkerSpawned{0, 1, 99});
  pool.Crashes("7.1");
  pool.Send(WorkerExited{-1, 1, kExit1});
  EXPECT_EQ(pool.Show(), "0.2 STARTING g1");
  EXPECT_EQ(pool.pool().revision(), revision);
  EXPECT_EQ(pool.view().restarts, 1u);
}

TEST(PoolStateTest, RevisionsTellWhatToPublish) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  const uint64_t before = pool.pool().revision();
  pool.Crashes("1.1");
  EXPECT_GT(pool.pool().revision(), before);
  EXPECT_GT(pool.pool().row_revision(1), before);
  EXPECT_LE(pool.pool().row_revision(0), before);
  const uint64_t after = pool.pool().revision();
  pool.Send(PoolTick{});
  EXPECT_EQ(pool.pool().revision(), after);
}

TEST(PoolStateTest, ASlotThatWasNeverUsed) {
  PoolScript pool({.desired = 1, .max_workers = 3});
  const SlotView slot = pool.pool().slot(2);
  EXPECT_EQ(slot.slot, 2);
  EXPECT_EQ(slot.state, WorkerState::kEmpty);
  EXPECT_EQ(slot.incarnation, 0u);
  EXPECT_FALSE(slot.last_exit.has_value());
}

}  // namespace
}  // namespace squall::testing
