#include "squall/control/resize_wait.h"

#include <cstdint>

#include "squall/process/pool_snapshot.h"

namespace squall::internal {

WaitVerdict JudgeWait(const PoolSnapshot& snapshot, control::v1::WaitFor wait_for,
                      uint64_t generation, int desired) {
  if (wait_for == control::v1::WAIT_FOR_UNSPECIFIED || wait_for == control::v1::WAIT_FOR_ACCEPTED) {
    return WaitVerdict::kReached;
  }
  if (snapshot.torn || snapshot.pool.generation < generation) return WaitVerdict::kPending;
  if (snapshot.pool.desired != desired) return WaitVerdict::kSuperseded;
  if (snapshot.pool.shutdown != ShutdownMode::kNone) return WaitVerdict::kShuttingDown;

  // A worker that ended with status 0 has done its part (Tornado's rule).
  const int served = snapshot.ready() + snapshot.done();
  const bool ready = served >= snapshot.pool.desired;
  const bool drained = snapshot.draining() == 0;
  if (ready && (drained || wait_for == control::v1::WAIT_FOR_READY)) return WaitVerdict::kReached;
  if (!ready && drained && snapshot.starting() == 0 && snapshot.backoff() == 0 &&
      snapshot.failed() > 0 && served + snapshot.failed() >= snapshot.pool.desired) {
    return WaitVerdict::kWorkersUnavailable;
  }
  return WaitVerdict::kPending;
}

}  // namespace squall::internal
