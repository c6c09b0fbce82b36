// What the supervisor's core wants done. The adapter performs the actions of one Step in their
// order.
#ifndef SQUALL_PROCESS_POOL_ACTION_H_
#define SQUALL_PROCESS_POOL_ACTION_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/process/drain.h"

namespace squall {

// Fork a worker for `slot`. Answer with WorkerSpawned or WorkerSpawnFailed. No process lives in the
// slot at this moment.
struct SpawnWorker {
  int slot;
  uint64_t incarnation;
};

// Tell the worker to drain. If it cannot be told (its link is broken), nothing else is needed: the
// ladder goes on by itself.
struct DrainWorker {
  int slot;
  uint64_t incarnation;
  DrainRequest request;
};

// Send a signal: SIGTERM or SIGKILL. Nothing to do for a process that is gone: its WorkerExited is
// on its way.
struct SignalWorker {
  int slot;
  uint64_t incarnation;
  int signo;
};

// Why a resize was refused, for programs; the text for people is ResizeResult::message. The numbers
// go over the control link and never change.
enum class ResizeReason : uint8_t {
  kNone = 0,               // Not refused.
  kNegativeTarget = 1,     // INVALID_ARGUMENT
  kSlotCapacity = 2,       // FAILED_PRECONDITION: above max_workers.
  kStaleGeneration = 3,    // ABORTED: the expected generation is not the present one.
  kRequestIdReused = 4,    // INVALID_ARGUMENT: same id, other target.
  kRequestIdTooLong = 5,   // INVALID_ARGUMENT
  kTooManyRequestIds = 6,  // RESOURCE_EXHAUSTED: the table of remembered ids is full.
  kShuttingDown = 7,       // FAILED_PRECONDITION
  kNotStarted = 8,         // FAILED_PRECONDITION: before PoolStart.
};

// "SLOT_CAPACITY", … as in the details of the RPC's error; "" for kNone.
std::string_view ResizeReasonName(ResizeReason reason);

// The answer to one ResizeRequest or ResizeBy.
struct ResizeResult {
  absl::StatusCode code = absl::StatusCode::kOk;
  ResizeReason reason = ResizeReason::kNone;
  uint64_t generation = 0;  // After the request; for a repeated request_id the one it made then.
  int desired = 0;          // Likewise.
  int max_workers = 0;
  bool replayed = false;  // Answered from the table of request ids.
  std::string message{};  // One sentence; empty when accepted.
};

// A transition or a decision, for the log and, later, the event stream.
struct PoolNote {
  enum class Severity : uint8_t { kInfo, kWarning, kError };
  enum class Type : uint8_t {
    kPoolStarted,
    kWorkerStarting,
    kWorkerReady,
    kWorkerDied,     // Unrequested; counted.
    kWorkerDone,     // Exit 0 without a request.
    kWorkerStopped,  // A requested stop came to its end.
    kBootTimeout,
    kSpawnFailed,
    kBreakerOpen,
    kBreakerTrial,
    kBreakerClosed,
    kDrainStarted,
    kTermSent,
    kKillSent,
    kDeadlineExtended,  // The master itself was late (stopped, starved); the worker gets more time.
    kSlotReleased,      // A slot without a process is no longer wanted.
    kResizeAccepted,
    kResizeRefused,
    kShutdownRequested,
    kGivingUp,  // max_restarts
    kFinished,
  };
  Severity severity = Severity::kInfo;
  Type type = Type::kPoolStarted;
  int slot = -1;             // -1: about the pool.
  uint64_t incarnation = 0;  // With a slot.
  pid_t pid = 0;             // With a process.
  // How long until the next step (SIGTERM, SIGKILL, next start, trial); zero when there is none.
  absl::Duration time_left = absl::ZeroDuration();
  std::string text{};  // One line for people, complete in itself.
};

// No process lives and none will: the master exits with this status. Nothing follows it.
struct FinishPool {
  int exit_code = 0;
};

using PoolAction =
    std::variant<SpawnWorker, DrainWorker, SignalWorker, ResizeResult, PoolNote, FinishPool>;

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_ACTION_H_
