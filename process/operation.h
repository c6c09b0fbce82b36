// What an operator asked for and that takes its time: a resize, a rolling restart, a worker that is
// drained or killed. The master keeps it and sees how it goes; whoever asked may go away.
//
//   std::optional<squall::OperationView> operation = board.Find(17);
//   if (operation.has_value() && operation->state == squall::OperationState::kFailed) {
//     LOG(WARNING) << "operation 17 failed: " << operation->message;
//   }
#ifndef SQUALL_PROCESS_OPERATION_H_
#define SQUALL_PROCESS_OPERATION_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "squall/base/clock.h"

namespace squall {

// The longest request id, in octets.
inline constexpr size_t kMaxRequestId = 63;
inline constexpr size_t kMaxActor = 95;

// The values stand in shared memory and in the packets of the control link.
enum class OperationKind : uint8_t {
  kNone = 0,
  kResize = 1,
  kRestart = 2,
  kDrainWorker = 3,
  kKillWorker = 4,
};

enum class OperationState : uint8_t {
  kNone = 0,
  kRunning = 1,
  kSucceeded = 2,
  kFailed = 3,
  kCancelled = 4,
};

// Why one failed.
enum class OperationError : uint8_t {
  kNone = 0,
  kSuperseded = 1,          // Another resize came before it was done.
  kShuttingDown = 2,        // The pool began to end.
  kWorkersUnavailable = 3,  // What is missing are slots whose breaker is open.
  kRestartFailed = 4,       // Workers of the new generation were lost, or it stood still.
};

struct OperationView {
  uint64_t id = 0;  // From 1, growing; 0: none.
  OperationKind kind = OperationKind::kNone;
  OperationState state = OperationState::kNone;
  OperationError error = OperationError::kNone;
  int target = 0;            // Of a resize: the number of workers, …
  int before = 0;            // … and what it was before.
  uint64_t generation = 0;   // Of the pool after a resize, of the new workers of a restart.
  int slot = -1;             // Of a drain or a kill.
  uint64_t incarnation = 0;  // Likewise.
  MonotonicTime began_at{};
  MonotonicTime ended_at = MonotonicTime::Infinite();
  char actor[kMaxActor + 1] = {};           // NUL-terminated: "uid 1000".
  char request_id[kMaxRequestId + 1] = {};  // NUL-terminated; empty: none.
  char message[200] = {};                   // NUL-terminated; of one that failed, for people.

  bool ended() const { return state != OperationState::kRunning; }
};

}  // namespace squall

#endif  // SQUALL_PROCESS_OPERATION_H_
