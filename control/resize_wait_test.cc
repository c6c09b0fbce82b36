#include "squall/control/resize_wait.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/pool_snapshot.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_state.h"

namespace squall::internal {
namespace {

using control::v1::WAIT_FOR_ACCEPTED;
using control::v1::WAIT_FOR_DRAINED;
using control::v1::WAIT_FOR_READY;

PoolSnapshot Snapshot(uint64_t generation, int desired, int ready, int draining = 0) {
  PoolSnapshot snapshot;
  snapshot.pool.generation = generation;
  snapshot.pool.desired = desired;
  snapshot.pool.slots[static_cast<size_t>(WorkerState::kReady)] = ready;
  snapshot.pool.slots[static_cast<size_t>(WorkerState::kDraining)] = draining;
  return snapshot;
}

// Of a resize to 4 that made generation 7.
WaitVerdict Judge(const PoolSnapshot& snapshot, control::v1::WaitFor wait_for) {
  return JudgeWait(snapshot, wait_for, 7, 4);
}

TEST(ResizeWait, IsPendingUntilTheSnapshotShowsIt) {
  EXPECT_EQ(Judge(Snapshot(6, 2, 2), WAIT_FOR_DRAINED), WaitVerdict::kPending);
  EXPECT_EQ(Judge(Snapshot(6, 2, 2), WAIT_FOR_ACCEPTED), WaitVerdict::kReached);
  EXPECT_EQ(Judge(Snapshot(7, 4, 3), WAIT_FOR_READY), WaitVerdict::kPending);
  EXPECT_EQ(Judge(Snapshot(7, 4, 4), WAIT_FOR_DRAINED), WaitVerdict::kReached);
}

TEST(ResizeWait, WaitsForThoseThatDrainIfItIsToldTo) {
  EXPECT_EQ(Judge(Snapshot(7, 4, 4, 1), WAIT_FOR_READY), WaitVerdict::kReached);
  EXPECT_EQ(Judge(Snapshot(7, 4, 4, 1), WAIT_FOR_DRAINED), WaitVerdict::kPending);
}

TEST(ResizeWait, IsSupersededByAnotherTarget) {
  EXPECT_EQ(Judge(Snapshot(8, 5, 5), WAIT_FOR_DRAINED), WaitVerdict::kSuperseded);
}

TEST(ResizeWait, IsNotSupersededByARestart) {
  EXPECT_EQ(Judge(Snapshot(8, 4, 3), WAIT_FOR_DRAINED), WaitVerdict::kPending);
  EXPECT_EQ(Judge(Snapshot(8, 4, 4), WAIT_FOR_DRAINED), WaitVerdict::kReached);
}

TEST(ResizeWait, EndsWithThePool) {
  PoolSnapshot snapshot = Snapshot(7, 4, 3);
  snapshot.pool.shutdown = ShutdownMode::kGraceful;
  EXPECT_EQ(Judge(snapshot, WAIT_FOR_DRAINED), WaitVerdict::kShuttingDown);
}

}  // namespace
}  // namespace squall::internal
