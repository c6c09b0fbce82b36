#include "squall/control/resize_wait.h"

#include <cstdint>

#include "squall/process/operation_table.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

WaitVerdict JudgeWait(const PoolSnapshot& snapshot, control::v1::WaitFor wait_for,
                      uint64_t generation, int desired) {
  if (wait_for == control::v1::WAIT_FOR_UNSPECIFIED || wait_for == control::v1::WAIT_FOR_ACCEPTED) {
    return WaitVerdict::kReached;
  }
  if (snapshot.torn || snapshot.pool.generation < generation) return WaitVerdict::kPending;
  switch (JudgeResize(snapshot.pool, desired)) {
    case ResizeProgress::kRunning:
      return WaitVerdict::kPending;
    case ResizeProgress::kReady:
      return wait_for == control::v1::WAIT_FOR_READY ? WaitVerdict::kReached
                                                     : WaitVerdict::kPending;
    case ResizeProgress::kDone:
      return WaitVerdict::kReached;
    case ResizeProgress::kSuperseded:
      return WaitVerdict::kSuperseded;
    case ResizeProgress::kShuttingDown:
      return WaitVerdict::kShuttingDown;
    case ResizeProgress::kWorkersUnavailable:
      return WaitVerdict::kWorkersUnavailable;
  }
  return WaitVerdict::kPending;
}

}  // namespace squall::internal
