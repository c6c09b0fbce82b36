#include "squall/process/autoscaler_inputs.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/listen_backlog.h"
#include "squall/process/pool_snapshot.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_health.h"
#include "squall/process/worker_sample.h"
#include "squall/process/worker_state.h"

namespace squall {
namespace {

// A READY worker with nothing to do.
WorkerSnapshot Idle() {
  WorkerSnapshot worker;
  worker.slot.state = WorkerState::kReady;
  worker.heartbeat_age = absl::Milliseconds(400);
  return worker;
}

WorkerSnapshot InState(WorkerState state) {
  WorkerSnapshot worker;
  worker.slot.state = state;
  return worker;
}

AutoscalerInputs Of(int desired, const std::vector<WorkerSnapshot>& workers) {
  PoolSnapshot snapshot;
  snapshot.pool.desired = desired;
  snapshot.pool.max_workers = 64;
  snapshot.workers = workers;
  return AutoscalerInputsOf(snapshot);
}

TEST(AutoscalerInputsTest, AReadyWorkerIsIdleUnlessSomethingSpeaksAgainstIt) {
  EXPECT_EQ(Of(1, {Idle()}).idle, 1);

  std::vector<WorkerSnapshot> busy;
  WorkerSnapshot& with_request = busy.emplace_back(Idle());
  with_request.in_flight = 1;
  WorkerSnapshot& silent = busy.emplace_back(Idle());
  silent.heartbeat_age = absl::Milliseconds(1300);
  WorkerSnapshot& without_loop = busy.emplace_back(Idle());
  without_loop.heartbeat_age.reset();
  WorkerSnapshot& given_up = busy.emplace_back(Idle());
  given_up.slot.stop_step = StopStep::kAbortSent;
  WorkerSnapshot& stopped = busy.emplace_back(Idle());
  stopped.sample = WorkerSample{.health = WorkerHealth::kStopped};
  for (const WorkerSnapshot& worker : busy) {
    const AutoscalerInputs inputs = Of(1, {worker});
    EXPECT_EQ(inputs.ready, 1) << &worker - busy.data();
    EXPECT_EQ(inputs.idle, 0) << &worker - busy.data();
  }
}

TEST(AutoscalerInputsTest, CountsByStateAndWhatIsComing) {
  const AutoscalerInputs inputs =
      Of(8, {Idle(), InState(WorkerState::kStarting), InState(WorkerState::kStarting),
             InState(WorkerState::kDraining), InState(WorkerState::kBackoff),
             InState(WorkerState::kFailed), InState(WorkerState::kDone)});
  EXPECT_EQ(inputs.desired, 8);
  EXPECT_EQ(inputs.max_workers, 64);
  EXPECT_EQ(inputs.ready, 1);
  EXPECT_EQ(inputs.draining, 1);
  // Two boot, and two of eight wait for a slot.
  EXPECT_EQ(inputs.coming, 4);
}

TEST(AutoscalerInputsTest, NothingIsComingToAPoolThatShrinks) {
  const AutoscalerInputs inputs = Of(1, {Idle(), Idle(), InState(WorkerState::kDraining)});
  EXPECT_EQ(inputs.coming, 0);
  EXPECT_EQ(inputs.ready, 2);
}

TEST(AutoscalerInputsTest, ASuccessorIsNoAdditionToWhatItReplaces) {
  WorkerSnapshot booting = InState(WorkerState::kStarting);
  booting.slot.role = RowRole::kSuccessor;
  EXPECT_EQ(Of(1, {Idle(), booting}).coming, 0);
  // Both serve for a moment.
  WorkerSnapshot ready = Idle();
  ready.slot.role = RowRole::kSuccessor;
  EXPECT_EQ(Of(1, {Idle(), ready}).coming, 0);
  EXPECT_EQ(Of(1, {Idle(), ready}).ready, 2);
  // The slot's next worker starts when this process is gone.
  WorkerSnapshot refill = InState(WorkerState::kDraining);
  refill.slot.role = RowRole::kRefill;
  EXPECT_EQ(Of(2, {Idle(), refill}).coming, 1);
}

TEST(AutoscalerInputsTest, MeanProcessorShareOfReadyWorkersWithASample) {
  EXPECT_EQ(Of(1, {Idle()}).cpu, std::nullopt);
  WorkerSnapshot half = Idle();
  half.sample = WorkerSample{.cpu_share = 0.5};
  WorkerSnapshot all = Idle();
  all.sample = WorkerSample{.cpu_share = 1};
  WorkerSnapshot booting = InState(WorkerState::kStarting);
  booting.sample = WorkerSample{.cpu_share = 1};
  EXPECT_EQ(Of(4, {half, all, Idle(), booting}).cpu, 0.75);
}

TEST(AutoscalerInputsTest, TheLastDeathAtBoot) {
  const auto died = [](DeathCause cause, int at) {
    WorkerSnapshot worker = Idle();
    worker.slot.last_exit = LastExit{.cause = cause, .at = MonotonicTime::FromNanos(at)};
    return worker;
  };
  EXPECT_EQ(
      Of(3, {died(DeathCause::kSignaled, 9), died(DeathCause::kNone, 8), Idle()}).boot_failed_at,
      MonotonicTime());
  EXPECT_EQ(Of(3, {died(DeathCause::kBootTimeout, 7), died(DeathCause::kBootFailure, 5),
                   died(DeathCause::kExited, 9)})
                .boot_failed_at,
            MonotonicTime::FromNanos(7));
}

TEST(AutoscalerInputsTest, WhatThePoolSays) {
  PoolSnapshot snapshot;
  snapshot.pool.spawn_failures = 7;
  EXPECT_EQ(AutoscalerInputsOf(snapshot).spawn_failures, 7u);
  EXPECT_FALSE(AutoscalerInputsOf(snapshot).shutting_down);
  snapshot.pool.shutdown = ShutdownMode::kGraceful;
  EXPECT_TRUE(AutoscalerInputsOf(snapshot).shutting_down);
}

TEST(AutoscalerInputsTest, DescribedForPeople) {
  AutoscalerInputs inputs{.desired = 4, .ready = 3, .idle = 1, .coming = 1, .draining = 2};
  EXPECT_EQ(Describe(inputs), "desired 4, ready 3, idle 1, coming 1, draining 2");
  inputs.backlog = ListenBacklog{.length = 5, .longest = 3, .limit = 2048};
  inputs.cpu = 0.414;
  EXPECT_EQ(Describe(inputs),
            "desired 4, ready 3, idle 1, coming 1, draining 2, waiting 5 of 2048, cpu 41%");
}

}  // namespace
}  // namespace squall
