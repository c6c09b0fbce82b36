// Rolling restarts: in which order workers are replaced, how many at a time, and when it is given up.
#include <csignal>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_state.h"
#include "squall/process/pool_view.h"
#include "squall/process/restart_options.h"
#include "squall/process/testing/pool_script.h"
#include "squall/process/worker_state.h"

namespace squall::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kGrace = absl::Seconds(30);
constexpr absl::Duration kKillAfter = absl::Seconds(5);
constexpr absl::Duration kBoot = absl::Seconds(60);
const ExitStatus kExit3 = ExitStatus::Exited(3);

// ---------------------------------------------------------------------------------------------------
// How many at a time.

TEST(PoolStateRestartTest, WithSurgeOneTheCapacityStaysWhole) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
  EXPECT_EQ(pool.restart_result().generation, 2u);
  EXPECT_FALSE(pool.restart_result().queued);
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartStarted),
              ElementsAre("restart of 2 workers begins, asked for by signal HUP, generation 2"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kRunning);
  EXPECT_EQ(pool.restart().remaining, 2);

  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Notes(PoolNote::Type::kTakenOver),
              ElementsAre("worker 0 (pid 2) takes over from worker 0 (pid 1); 1 to go"));
  EXPECT_EQ(pool.Show(), "0.1 DRAINING leaving g1, 0.2 READY g2, 1.1 READY g1");
  EXPECT_EQ(pool.restart().remaining, 1);
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 1.2", "lead 0.2"))
      << "the next one only when there is room";
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 1.1"));

  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded) << "the last one has only to leave";
  EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartEnded),
              ElementsAre("the restart to generation 2 is done after 0; 2 of 2 workers are of this "
                          "generation"));
  EXPECT_EQ(pool.restart().remaining, 0);
  EXPECT_EQ(pool.view().worker_generation, 2u);
  EXPECT_EQ(pool.view().observed_generation, 1u) << "not before it has left";
  EXPECT_THAT(pool.Exits("1.1"), IsEmpty());
  EXPECT_EQ(pool.view().observed_generation, 2u);
  EXPECT_EQ(pool.view().restarts, 0u) << "nobody crashed";
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
}

TEST(PoolStateRestartTest, WithSurgeTwoTwoSlotsAreHandedOverAtATime) {
  PoolScript pool({.desired = 3, .max_workers = 3, .surge_slots = 2, .restart = {.max_surge = 2}});
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2", "spawn 1.2"));
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 1.1")) << "in whatever order they come";
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("spawn 2.2"));
  EXPECT_THAT(pool.Ready("2.2"), ElementsAre("drain 2.1"));
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
}

TEST(PoolStateRestartTest, OneThatLeavesCountsAsSurge) {
  PoolScript pool({.desired = 3, .max_workers = 3, .surge_slots = 3, .restart = {.max_surge = 1}});
  pool.Restart();
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1")) << "and no spawn";
}

TEST(PoolStateRestartTest, BesidesTheTargetAQuarterOfItUnlessToldOtherwise) {
  const struct {
    int target;
    int surge_slots;
    size_t successors;
  } kCases[] = {{1, 16, 1}, {4, 16, 1},  {5, 16, 2}, {8, 16, 2},
                {9, 16, 3}, {20, 16, 5}, {20, 3, 3}};
  for (const auto& c : kCases) {
    PoolScript pool({.desired = c.target, .max_workers = 20, .surge_slots = c.surge_slots});
    EXPECT_EQ(pool.Restart().size(), c.successors) << c.target << " workers";
  }
}

TEST(PoolStateRestartTest, TheQuarterFollowsTheTarget) {
  PoolScript pool({.desired = 2, .max_workers = 5, .surge_slots = 4});
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
  EXPECT_THAT(pool.Resize(5), ElementsAre("spawn 2.1", "spawn 3.1", "spawn 4.1", "spawn 1.2"));
}

TEST(PoolStateRestartTest, NeverMoreThanTheSurgeSlots) {
  PoolScript pool({.desired = 3, .max_workers = 3, .surge_slots = 1, .restart = {.max_surge = 9}});
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2"));
}

TEST(PoolStateRestartTest, WithoutSurgeOneIsTakenOutFirst) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 1, .max_unavailable = 1}});
  EXPECT_THAT(pool.Restart(), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.Show(), "0.1 DRAINING refill g1, 1.1 READY g1");
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 0.2", "lead 1.1"));
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 1.1", "unlead 1.1"));
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("spawn 1.2", "lead 0.2"));
  EXPECT_THAT(pool.Ready("1.2"), IsEmpty());
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  EXPECT_EQ(pool.view().observed_generation, 2u);
}

TEST(PoolStateRestartTest, OneThatIsTakenOutIsUnavailableUntilItsSuccessorIsProven) {
  PoolScript pool({.desired = 3,
                   .max_workers = 3,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1, .min_healthy = 0}});
  EXPECT_THAT(pool.Restart(), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 0.2", "lead 1.1"));
  EXPECT_THAT(pool.Crashes("0.2"), ElementsAre("spawn 0.3"));
  EXPECT_THAT(pool.Crashes("0.3"), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.4"));
  EXPECT_THAT(pool.Ready("0.4"), ElementsAre("drain 1.1", "unlead 1.1"));
}

TEST(PoolStateRestartTest, OneThatStartsIsNotTakenOut) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1}});
  pool.Crashes("0.1");
  EXPECT_THAT(pool.Restart(), IsEmpty());
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.2"));
}

TEST(PoolStateRestartTest, SurgeAndUnavailabilityAddUp) {
  PoolScript pool({.desired = 4, .max_workers = 4, .restart = {.max_unavailable = 1}});
  EXPECT_THAT(pool.Restart(), ElementsAre("spawn 0.2", "drain 1.1"));
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("spawn 1.2"))
      << "1 is unavailable as long as it boots";
  EXPECT_THAT(pool.Ready("1.2"), ElementsAre("drain 2.1"));
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 3.2", "lead 0.2"));
}

TEST(PoolStateRestartTest, ASlowDrainHoldsItsPlace) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  pool.Ready("0.2");
  EXPECT_THAT(pool.AdvanceToDeadline(kGrace), ElementsAre("TERM 0.1"));
  EXPECT_THAT(pool.AdvanceToDeadline(kKillAfter), ElementsAre("KILL 0.1"));
  EXPECT_THAT(pool.Exits("0.1", ExitStatus::Killed(SIGKILL)), ElementsAre("spawn 1.2", "lead 0.2"));
  EXPECT_EQ(pool.view().restarts, 0u);
}

// ---------------------------------------------------------------------------------------------------
// The gate: READY in time, and for long enough.

TEST(PoolStateRestartTest, ThePredecessorStaysUntilTheSoakIsOver) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.soak = absl::Seconds(5)}});
  pool.Restart();
  EXPECT_THAT(pool.Ready("0.2"), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.1 READY g1, 0.2 READY successor g2");
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
}

TEST(PoolStateRestartTest, ADeathInTheSoakIsAFailureAndTheOldOneStays) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.soak = absl::Seconds(5)}});
  pool.Restart();
  pool.Ready("0.2");
  pool.Advance(absl::Seconds(4));
  EXPECT_THAT(pool.Crashes("0.2"), IsEmpty());
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
  EXPECT_EQ(pool.restart().failures, 1);
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kWorkerDied),
      ElementsAre("worker 0 (pid 2) was killed by signal 11 (SIGSEGV) (signaled); the worker "
                  "it was to replace stays"));
}

TEST(PoolStateRestartTest, TheSoakEndsBeforeWhatIsDueInTheSameInstant) {
  PoolScript pool({.desired = 1,
                   .max_workers = 1,
                   .boot_timeout = absl::Seconds(5),
                   .restart = {.soak = absl::Seconds(5)}},
                  PoolScript::Begin::kStarting);
  pool.Restart();
  pool.Ready("0.2");
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("drain 0.1", "lead 0.2"))
      << "and no KILL for the boot timeout of the predecessor";
}

TEST(PoolStateRestartTest, ASoakWithoutSurgeHoldsTheNextOne) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .surge_slots = 0,
                   .restart = {.max_surge = 0, .max_unavailable = 1, .soak = absl::Seconds(5)}});
  pool.Restart();
  pool.Exits("0.1");
  EXPECT_THAT(pool.Ready("0.2"), IsEmpty());
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(5)), ElementsAre("drain 1.1", "unlead 1.1"));
}

TEST(PoolStateRestartTest, ReadyTimeoutIsForTheNewOnes) {
  PoolScript pool({.desired = 2,
                   .max_workers = 2,
                   .restart = {.ready_timeout = absl::Seconds(4), .max_failures = 2}});
  pool.Restart();
  EXPECT_THAT(pool.Crashes("1.1"), ElementsAre("spawn 1.2"));
  EXPECT_EQ(pool.pool().slot(1).generation, 1u) << "the one that serves is the proven one";
  EXPECT_EQ(pool.pool().slot(1).deadline - pool.now(), kBoot);
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Seconds(4)), ElementsAre("KILL 0.2"));
  EXPECT_THAT(pool.Exits("0.2", ExitStatus::Killed(SIGKILL)), IsEmpty());
  EXPECT_EQ(pool.pool().slot(0).last_exit->cause, DeathCause::kBootTimeout);
  EXPECT_THAT(pool.AdvanceToDeadline(absl::Milliseconds(100)), ElementsAre("spawn 0.3"));
}

// ---------------------------------------------------------------------------------------------------
// Whatever happens meanwhile.

TEST(PoolStateRestartTest, TheSuccessorTakesTheSlotOfOneThatDies) {
  const struct {
    const char* name;
    ExitStatus status;
    uint64_t deaths;
  } kCases[] = {{"crash", ExitStatus::Killed(SIGSEGV), 1}, {"done", ExitStatus::Exited(0), 0}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    PoolScript pool({.desired = 1, .max_workers = 1});
    pool.Restart();
    EXPECT_THAT(pool.Exits("0.1", c.status), IsEmpty())
        << "one process of this slot starts already";
    EXPECT_EQ(pool.Show(), "0.2 STARTING g2");
    EXPECT_EQ(pool.view().restarts, c.deaths);
    EXPECT_THAT(pool.Ready("0.2"), ElementsAre("lead 0.2"));
    EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  }
}

TEST(PoolStateRestartTest, TheSuccessorTakesTheSlotOfOneWhoseForkFails) {
  // The fork has not been tried yet when the restart begins.
  PoolState pool({.desired = 1, .max_workers = 1}, 1);
  const MonotonicTime now = MonotonicTime() + absl::Hours(1);
  pool.Step(PoolStart{}, now);
  pool.Step(RestartRequest{}, now);
  pool.Step(WorkerSpawnFailed{0, 1, "fork: EAGAIN"}, now);
  pool.Step(WorkerSpawned{0, 2, 4711}, now);
  pool.Step(WorkerReady{0, 2}, now);
  EXPECT_EQ(pool.slot(0).pid, 4711);
  EXPECT_EQ(pool.slot(0).state, WorkerState::kReady);
  EXPECT_EQ(pool.pool().restart.phase, RestartPhase::kSucceeded);
  EXPECT_EQ(pool.pool().count(WorkerState::kEmpty), 1);
}

TEST(PoolStateRestartTest, SlotsWithoutAProcessAreStartedInTheirPlace) {
  const struct {
    WorkerState state;
    ExitStatus status;
    int exits;
    int breaker;
  } kCases[] = {{WorkerState::kDone, ExitStatus::Exited(0), 1, 10},
                {WorkerState::kFailed, kExit3, 2, 1},
                {WorkerState::kBackoff, kExit3, 2, 10}};
  for (const auto& c : kCases) {
    SCOPED_TRACE(WorkerStateName(c.state));
    PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = c.breaker}});
    for (int i = 1; i <= c.exits; ++i) pool.Exits(absl::StrCat("0.", i), c.status);
    ASSERT_EQ(pool.pool().slot(0).state, c.state);
    const std::string next = absl::StrCat("0.", c.exits + 1);
    EXPECT_THAT(pool.Restart(), ElementsAre("spawn " + next, "spawn 1.2")) << "it takes no surge";
    EXPECT_EQ(pool.pool().slot(0).generation, 2u);
    EXPECT_THAT(pool.Exits(next, kExit3), ElementsAre(absl::StrCat("spawn 0.", c.exits + 2)))
        << "its past is forgotten: the first death is free";
  }
}

TEST(PoolStateRestartTest, AShrinkTakesTheSuccessorWithIt) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  pool.Ready("0.2");
  pool.Exits("0.1");
  ASSERT_EQ(pool.Show(), "0.2 READY g2, 1.1 READY g1, 1.2 STARTING successor g2");
  EXPECT_THAT(pool.Resize(1), ElementsAre("drain 1.2", "drain 1.1"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  pool.Exits("1.1");
  pool.Exits("1.2");
  EXPECT_EQ(pool.view().observed_generation, 3u);
  EXPECT_EQ(pool.view().restarts, 0u);
}

TEST(PoolStateRestartTest, GrowthGetsTheNewGenerationOnceThatIsProven) {
  PoolScript pool({.desired = 1, .max_workers = 4});
  pool.Restart();
  EXPECT_THAT(pool.Resize(2), ElementsAre("spawn 1.1"));
  EXPECT_EQ(pool.pool().slot(1).generation, 1u);
  pool.Ready("1.1");
  pool.Ready("0.2");
  EXPECT_THAT(pool.Resize(3), ElementsAre("spawn 2.1"));
  EXPECT_EQ(pool.pool().slot(2).generation, 2u);
  pool.Ready("2.1");
  pool.Exits("0.1");
  pool.Ready("1.2");
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  EXPECT_THAT(pool.Resize(4), ElementsAre("spawn 3.1"));
  EXPECT_EQ(pool.pool().slot(3).generation, 2u);
}

TEST(PoolStateRestartTest, AShutdownEndsIt) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  pool.Restart();
  EXPECT_THAT(pool.Shutdown(), ElementsAre("drain 0.1", "drain 1.1", "drain 0.2", "unlead 0.1"));
  EXPECT_EQ(pool.restart().phase, RestartPhase::kFailed);
  EXPECT_FALSE(pool.Noted(PoolNote::Type::kRestartStarted)) << "the queued one is forgotten";
  pool.Exits("0.1");
  pool.Exits("0.2");
  EXPECT_THAT(pool.Exits("1.1"), ElementsAre("finish 0"));
}

TEST(PoolStateRestartTest, MaxRestartsEndsThePoolAlsoWhenOnlyNewOnesDie) {
  PoolScript pool({.desired = 1, .max_workers = 1, .max_restarts = 0});
  pool.Restart();
  EXPECT_THAT(pool.Exits("0.2", kExit3), ElementsAre("TERM 0.1", "unlead 0.1"));
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("finish 1"));
}

TEST(PoolStateRestartTest, OneThatIsKilledByHandLeavesItsSlotToTheSuccessor) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Restart();
  EXPECT_THAT(pool.Kill("0.1"), ElementsAre("KILL 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.Show(), "0.1 DRAINING leaving g1, 0.2 STARTING g2, 1.1 READY g1");
  EXPECT_THAT(pool.Exits("0.1", ExitStatus::Killed(SIGKILL)), ElementsAre("spawn 1.2", "lead 1.1"));
  EXPECT_EQ(pool.view().restarts, 0u);
}

TEST(PoolStateRestartTest, ASuccessorThatIsKilledByHandIsNoFailure) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.max_failures = 1}});
  pool.Restart();
  EXPECT_THAT(pool.Kill("0.2"), ElementsAre("KILL 0.2"));
  EXPECT_THAT(pool.Exits("0.2", ExitStatus::Killed(SIGKILL)), ElementsAre("spawn 0.3"));
  EXPECT_EQ(pool.restart().failures, 0);
}

TEST(PoolStateRestartTest, ASuccessorThatIsDoneIsAFailure) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.max_failures = 1}});
  pool.Restart();
  EXPECT_THAT(pool.Exits("0.2"), IsEmpty());
  EXPECT_EQ(pool.restart().failures, 1);
  EXPECT_EQ(pool.view().restarts, 0u) << "exit 0 is no crash";
  EXPECT_EQ(pool.Show(), "0.1 READY g1");
}

// ---------------------------------------------------------------------------------------------------
// Requests.

TEST(PoolStateRestartTest, OneThatComesMeanwhileFollowsAndFurtherOnesAreTheSame) {
  PoolScript pool({.desired = 1, .max_workers = 1});
  pool.Restart();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(pool.Restart(), IsEmpty());
    EXPECT_TRUE(pool.restart_result().queued);
    EXPECT_EQ(pool.restart_result().generation, 2u);
    EXPECT_TRUE(pool.Noted(PoolNote::Type::kRestartQueued));
  }
  EXPECT_THAT(pool.Ready("0.2"), ElementsAre("drain 0.1", "unlead 0.1"));
  EXPECT_EQ(pool.restart().generation, 3u);
  EXPECT_EQ(pool.restart().phase, RestartPhase::kRunning);
  EXPECT_THAT(pool.Exits("0.1"), ElementsAre("spawn 0.3", "lead 0.2"));
  pool.Ready("0.3");
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  EXPECT_EQ(pool.view().generation, 3u) << "three requests made one restart";
}

TEST(PoolStateRestartTest, AFailureIsFollowedByTheQueuedOne) {
  PoolScript pool({.desired = 1, .max_workers = 1, .restart = {.max_failures = 1}});
  pool.Restart();
  pool.Restart(RestartOptions{.max_failures = 2});
  EXPECT_THAT(pool.Exits("0.2", kExit3), ElementsAre("spawn 0.3"));
  EXPECT_EQ(pool.restart().generation, 3u);
  pool.Exits("0.3", kExit3);
  EXPECT_EQ(pool.restart().phase, RestartPhase::kRunning) << "with its own options";
}

TEST(PoolStateRestartTest, APoolOfNoneIsDoneAtOnce) {
  PoolScript pool({.desired = 0, .max_workers = 1});
  EXPECT_THAT(pool.Restart(), IsEmpty());
  EXPECT_EQ(pool.restart().phase, RestartPhase::kSucceeded);
  EXPECT_EQ(pool.view().observed_generation, 2u);
  EXPECT_TRUE(pool.pool().next_deadline().is_infinite());
  pool.Resize(1);
  EXPECT_EQ(pool.pool().slot(0).generation, 2u);
}

TEST(PoolStateRestartTest, Refusals) {
  const PoolOptions kSurge{.desired = 1, .max_workers = 1};
  const PoolOptions kNoSurge{
      .desired = 1, .max_workers = 1, .surge_slots = 0, .restart = {.max_unavailable = 1}};
  const struct {
    const char* name;
    PoolOptions pool;
    PoolScript::Begin begin;
    bool shut_down;
    RestartRequest request;
    absl::StatusCode code;
    RefusalReason reason;
    const char* message;
  } kCases[] = {
      {"before the start",
       kSurge,
       PoolScript::Begin::kNotStarted,
       false,
       {},
       absl::StatusCode::kFailedPrecondition,
       RefusalReason::kNotStarted,
       "the pool has not started yet"},
      {"while it shuts down",
       kSurge,
       PoolScript::Begin::kReady,
       true,
       {},
       absl::StatusCode::kFailedPrecondition,
       RefusalReason::kShuttingDown,
       "the pool is shutting down"},
      {"no way to replace",
       kSurge,
       PoolScript::Begin::kReady,
       false,
       {.options = RestartOptions{.max_surge = 0}},
       absl::StatusCode::kInvalidArgument,
       RefusalReason::kBadRestartOption,
       "restart.max_surge and restart.max_unavailable are both 0, so that no worker could ever be "
       "replaced; one of them must be at least 1"},
      {"no failures",
       kSurge,
       PoolScript::Begin::kReady,
       false,
       {.options = RestartOptions{.max_failures = 0}},
       absl::StatusCode::kInvalidArgument,
       RefusalReason::kBadRestartOption,
       "restart.max_failures must be at least 1, not 0"},
      {"no surge slots",
       kNoSurge,
       PoolScript::Begin::kReady,
       false,
       {.options = RestartOptions{}},
       absl::StatusCode::kFailedPrecondition,
       RefusalReason::kBadRestartOption,
       "this pool has no surge slots, so max_unavailable must be at least 1"},
      {"another generation",
       kSurge,
       PoolScript::Begin::kReady,
       false,
       {.expected_generation = 7},
       absl::StatusCode::kAborted,
       RefusalReason::kStaleGeneration,
       "the pool is at generation 1 now, not at 7; read it and decide again"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    PoolScript pool(c.pool, c.begin);
    if (c.shut_down) pool.Shutdown();
    EXPECT_THAT(pool.Send(c.request), IsEmpty());
    EXPECT_EQ(pool.restart_result().code, c.code);
    EXPECT_EQ(pool.restart_result().reason, c.reason);
    EXPECT_EQ(pool.restart_result().message, c.message);
    EXPECT_EQ(pool.restart_result().generation, 1u);
    EXPECT_THAT(pool.Notes(PoolNote::Type::kRestartRefused), ElementsAre(HasSubstr(c.message)));
    EXPECT_EQ(pool.restart().phase, RestartPhase::kNone);
    EXPECT_EQ(pool.view().generation, 1u);
  }
}

}  // namespace
}  // namespace squall::testing
