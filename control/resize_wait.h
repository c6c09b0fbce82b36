// Has a resize reached what its caller waits for? A pure question about one snapshot.
#ifndef SQUALL_CONTROL_RESIZE_WAIT_H_
#define SQUALL_CONTROL_RESIZE_WAIT_H_

#include <cstdint>

#include "squall/control/v1/control.pb.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

enum class WaitVerdict {
  kPending,
  kReached,
  kSuperseded,          // The target was changed again.
  kShuttingDown,        // The pool is ending.
  kWorkersUnavailable,  // All that is missing are slots whose breaker is open.
};

// `generation` is the one that the resize to `desired` workers made. A later one supersedes it only
// with another target: a restart is no other resize.
WaitVerdict JudgeWait(const PoolSnapshot& snapshot, control::v1::WaitFor wait_for,
                      uint64_t generation, int desired);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_RESIZE_WAIT_H_
