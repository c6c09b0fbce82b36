// Requests for another target: what is answered, which slots are taken and given up.
#include <csignal>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ExitStatus kKilled = ExitStatus::Killed(SIGKILL);

// ---------------------------------------------------------------------------------------------------
// Slots.

TEST(PoolStateResizeTest, ShrinkDrainsTheHighestIdsAndGrowTakesTheLowestFree) {
  PoolScript pool({.desired = 4, .max_workers = 6});
  EXPECT_THAT(pool.Resize(2), ElementsAre("drain 3.1", "drain 2.1"));
  EXPECT_EQ(pool.resize_result().code, absl::StatusCode::kOk);
  EXPECT_EQ(pool.resize_result().generation, 2u);
  EXPECT_THAT(pool.Notes(PoolNote::Type::kResizeAccepted),
              ElementsAre("resize from 4 to 2 accepted, generation 2"));
  EXPECT_EQ(pool.view().observed_generation, 1u);
  EXPECT_THAT(pool.Resize(3), ElementsAre("spawn 4.1")) << "2 and 3 still drain";
  pool.Exits("2.1");
  pool.Exits("3.1");
  EXPECT_EQ(pool.view().restarts, 0u);
  EXPECT_EQ(pool.view().count(WorkerState::kDone), 0);
  EXPECT_THAT(pool.Resize(4), ElementsAre("spawn 2.2"));
}

TEST(PoolStateResizeTest, GrowthWaitsForADrainingSlotWhenNoOtherIsLeft) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Resize(1);
  EXPECT_THAT(pool.Resize(2), IsEmpty()) << "never two processes in a slot";
  EXPECT_THAT(pool.Exits("1.1", kKilled), ElementsAre("spawn 1.2"));
  EXPECT_EQ(pool.view().restarts, 0u) << "a requested stop is not a crash";
}

TEST(PoolStateResizeTest, AFailedSlotIsGivenUpBeforeOneThatServes) {
  PoolScript pool({.desired = 2, .max_workers = 2, .breaker = {.deaths = 0}});
  pool.Crashes("0.1");
  ASSERT_EQ(pool.pool().slot(0).state, WorkerState::kFailed);
  EXPECT_THAT(pool.Resize(1), IsEmpty());
  EXPECT_THAT(pool.Notes(PoolNote::Type::kSlotReleased),
              ElementsAre("slot 0 is no longer wanted; it was FAILED"));
  EXPECT_EQ(pool.Show(), "1.1 READY g1");
  EXPECT_EQ(pool.view().observed_generation, 2u);
}

TEST(PoolStateResizeTest, AGivenUpSlotBeginsAnew) {
  PoolScript pool({.desired = 2, .max_workers = 2});
  pool.Crashes("1.1");
  pool.Crashes("1.2");
  ASSERT_EQ(pool.pool().slot(1).state, WorkerState::kBackoff);
  EXPECT_THAT(pool.Resize(1), IsEmpty());
  EXPECT_THAT(pool.Resize(2), ElementsAre("spawn 1.3"));
  EXPECT_THAT(pool.Crashes("1.3"), ElementsAre("spawn 1.4")) << "the first death is free again";
  EXPECT_EQ(pool.pool().slot(1).restarts, 3u) << "but not uncounted";
}

TEST(PoolStateResizeTest, DoneWorkersAreReplacedAlsoWithoutAnotherTarget) {
  PoolScript pool({.desired = 2, .max_workers = 4});
  pool.Exits("0.1");
  EXPECT_THAT(pool.Resize(2), ElementsAre("spawn 0.2"));
  EXPECT_EQ(pool.resize_result().generation, 1u) << "the target is what it was";
}

TEST(PoolStateResizeTest, APoolOfNoneLivesOn) {
  PoolScript pool({.desired = 1, .max_workers = 2});
  pool.Resize(0);
  EXPECT_THAT(pool.Exits("0.1"), IsEmpty());
  EXPECT_FALSE(pool.pool().finished());
  EXPECT_THAT(pool.Resize(1), ElementsAre("spawn 0.2"));
}

// ---------------------------------------------------------------------------------------------------
// Answers.

TEST(PoolStateResizeTest, Refusals) {
  const struct {
    const char* name;
    ResizeRequest request;
    absl::StatusCode code;
    RefusalReason reason;
    const char* message;
  } kCases[] = {
      {"too many",
       {.target = 65},
       absl::StatusCode::kFailedPrecondition,
       RefusalReason::kSlotCapacity,
       "this pool can have at most 64 workers (max_workers, fixed at its start), 65 were asked "
       "for"},
      {"negative",
       {.target = -1},
       absl::StatusCode::kInvalidArgument,
       RefusalReason::kNegativeTarget,
       "the number of workers must not be negative, it was -1"},
      {"another generation",
       {.target = 3, .expected_generation = 7},
       absl::StatusCode::kAborted,
       RefusalReason::kStaleGeneration,
       "the pool is at generation 1 now, not at 7; read it and decide again"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    PoolScript pool({.desired = 2, .max_workers = 64});
    EXPECT_THAT(pool.Send(c.request), IsEmpty());
    EXPECT_EQ(pool.resize_result().code, c.code);
    EXPECT_EQ(pool.resize_result().reason, c.reason);
    EXPECT_EQ(pool.resize_result().message, c.message);
    EXPECT_EQ(pool.resize_result().generation, 1u);
    EXPECT_EQ(pool.resize_result().desired, 2);
    EXPECT_THAT(pool.Notes(PoolNote::Type::kResizeRefused), ElementsAre(HasSubstr(c.message)));
    EXPECT_EQ(pool.view().desired, 2);
  }
}

TEST(PoolStateResizeTest, RefusedBeforeTheStartAndAfterTheEnd) {
  PoolScript pool({.desired = 2, .max_workers = 4}, PoolScript::Begin::kNotStarted);
  EXPECT_THAT(pool.Resize(3), IsEmpty());
  EXPECT_EQ(pool.resize_result().code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.resize_result().reason, RefusalReason::kNotStarted);
  pool.Send(PoolStart{});
  pool.Shutdown();
  EXPECT_THAT(pool.Resize(3), IsEmpty());
  EXPECT_EQ(pool.resize_result().code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pool.resize_result().reason, RefusalReason::kShuttingDown);
}

TEST(PoolStateResizeTest, ValidateOnlyChangesNothing) {
  PoolScript pool({.desired = 2, .max_workers = 4});
  EXPECT_THAT(pool.Send(ResizeRequest{.target = 3, .validate_only = true}), IsEmpty());
  EXPECT_EQ(pool.resize_result().code, absl::StatusCode::kOk);
  EXPECT_EQ(pool.resize_result().desired, 3);
  EXPECT_EQ(pool.view().desired, 2);
  EXPECT_EQ(pool.view().generation, 1u);
}

TEST(PoolStateResizeTest, TtinAndTtouAreClamped) {
  PoolScript pool({.desired = 1, .max_workers = 2});
  pool.Send(ResizeBy{.delta = -1, .actor = "signal TTOU"});
  EXPECT_THAT(pool.Notes(PoolNote::Type::kResizeRefused),
              ElementsAre("resize by -1 by signal TTOU changes nothing: 1 worker is the fewest"));
  EXPECT_EQ(pool.resize_result().desired, 1);
  EXPECT_EQ(pool.view().desired, 1);
  EXPECT_EQ(pool.view().generation, 1u);
  pool.Send(ResizeBy{.delta = 1});
  pool.Send(ResizeBy{.delta = 1, .actor = "signal TTIN"});
  EXPECT_EQ(pool.view().desired, 2);
  EXPECT_EQ(pool.view().generation, 2u);
  EXPECT_FALSE(pool.Noted(PoolNote::Type::kResizeAccepted));
  EXPECT_THAT(
      pool.Notes(PoolNote::Type::kResizeRefused),
      ElementsAre(
          "resize by 1 by signal TTIN changes nothing: 2 workers are the most (max_workers)"));
  pool.Resize(0);
  pool.Send(ResizeBy{.delta = -1});
  EXPECT_EQ(pool.view().desired, 0) << "one less is not one more";
}

}  // namespace
}  // namespace squall::testing
