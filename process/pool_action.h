// What the supervisor's core wants done. The adapter performs the actions of one Step in their
// order, but for the notes: it logs them when it has done all else that was due.
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
// row at this moment.
struct SpawnWorker {
  int slot;
  uint64_t incarnation;
  int row;
  uint64_t generation;
};

// Tell the worker to drain. If it cannot be told (its link is broken), nothing else is needed: the
// ladder goes on by itself.
struct DrainWorker {
  int slot;
  uint64_t incarnation;
  int row;
  DrainRequest request;
};

// Send a signal: SIGTERM, SIGABRT or SIGKILL. Nothing to do for a process that is gone: its
// WorkerExited is on its way.
struct SignalWorker {
  int slot;
  uint64_t incarnation;
  int row;
  int signo;
};

// Tell the worker that it has the leader role, or that it has to give it up (answer with
// LeaderReleased when it has).
struct SetLeader {
  int slot;
  uint64_t incarnation;
  int row;
  bool leader;
};

// Why an operator's request was refused, for programs; the text for people is the result's message.
// The numbers go over the control link and never change.
enum class RefusalReason : uint8_t {
  kNone = 0,             // Not refused.
  kNegativeTarget = 1,   // INVALID_ARGUMENT
  kSlotCapacity = 2,     // FAILED_PRECONDITION: above max_workers.
  kStaleGeneration = 3,  // ABORTED: the expected generation is not the present one.
  kRequestIdReused = 4,  // INVALID_ARGUMENT: same id, other target.
  // 5 was used once.
  kTooManyRequestIds = 6,  // RESOURCE_EXHAUSTED: the table of remembered ids is full.
  kShuttingDown = 7,       // FAILED_PRECONDITION
  kNotStarted = 8,         // FAILED_PRECONDITION: before PoolStart.
  kBadRestartOption = 9,   // INVALID_ARGUMENT, or FAILED_PRECONDITION without surge slots.
  // Of PoolCommands.
  kNoSuchSlot = 10,           // NOT_FOUND: not below max_workers.
  kWrongIncarnation = 11,     // ABORTED: the slot has another process now, or had one.
  kNotReady = 12,             // FAILED_PRECONDITION: only a READY worker can be drained.
  kOperationInProgress = 13,  // ABORTED: a restart runs already.
  kReloadRefused = 14,        // FAILED_PRECONDITION: the configuration that it would read is wrong.
  kNoSuchOperation = 15,      // NOT_FOUND: never begun, or forgotten.
  kOperationEnded = 16,       // FAILED_PRECONDITION: nothing is left to cancel.
  kNotCancellable = 17,       // FAILED_PRECONDITION: it has gone too far.
  kTooManyOperations = 18,    // RESOURCE_EXHAUSTED: so many run.
  kBreakerClosed = 19,        // FAILED_PRECONDITION: no slot has failed.
  kNoSuchMode = 20,           // INVALID_ARGUMENT: of a shutdown.
  kBadConfig = 21,            // INVALID_ARGUMENT: the message begins with the field's name.
};

// "SLOT_CAPACITY", … as in the details of the RPC's error; "" for kNone. `code` is that of the
// refusal.
std::string_view RefusalReasonName(RefusalReason reason, absl::StatusCode code);

// The answer to one ResizeRequest or ResizeBy.
struct ResizeResult {
  absl::StatusCode code = absl::StatusCode::kOk;
  RefusalReason reason = RefusalReason::kNone;
  uint64_t generation = 0;  // After the request.
  int desired = 0;          // Likewise.
  int max_workers = 0;
  std::string message{};  // One sentence; empty when accepted.
};

// The answer to one RestartRequest.
struct RestartResult {
  absl::StatusCode code = absl::StatusCode::kOk;
  RefusalReason reason = RefusalReason::kNone;
  uint64_t generation = 0;  // Of the new workers; of the running restart when `queued`.
  bool queued = false;      // It begins when the running one has ended.
  std::string message{};    // One sentence; empty when accepted.
};

// A transition or a decision, for the log and the event stream.
struct PoolNote {
  enum class Severity : uint8_t { kInfo, kWarning, kError };
  // Of one start of the master; the values mean nothing outside of it.
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
    kBreakerReset,  // By an operator.
    kDrainStarted,
    kTermSent,
    kKillSent,
    kDeadlineExtended,  // The master itself was late (stopped, starved); the worker gets more time.
    kSlotReleased,      // A slot without a process is no longer wanted.
    kResizeAccepted,
    kResizeRefused,
    kRestartStarted,
    kRestartQueued,
    kRestartRefused,
    kRestartFailed,
    kRestartEnded,  // Succeeded, or rolled back.
    kReplaceWanted,
    kReplaceCancelled,
    kTakenOver,  // A successor holds the slot now.
    kAborted,    // The watchdog's signal.
    kKillRequested,
    kLeader,
    kShutdownRequested,
    kGivingUp,  // max_restarts
    kFinished,
    // Not PoolState's but the watchdog's: a warning, and its end.
    kWorkerSilent,
    kWorkerRecovered,
    kAutoscale,      // The autoscaler's decision, with its inputs.
    kConfigChanged,  // What was changed, from what to what.
    // PoolCommands'.
    kRequestAccepted,  // That no other note tells of.
    kRequestRefused,
    kOperationCancelled,
    // SidecarKeeper's.
    kSidecarStarted,
    kSidecarExited,
    kSidecarCut,          // Killed, for it misbehaved.
    kSidecarStartFailed,  // Told once, not for each attempt.
  };
  Severity severity = Severity::kInfo;
  Type type = Type::kPoolStarted;
  int slot = -1;             // -1: about the pool.
  uint64_t incarnation = 0;  // With a slot.
  // Of the worker; of the restart; of the pool for all else.
  uint64_t generation = 0;
  pid_t pid = 0;  // With a process.
  // How long until the next step (SIGTERM, SIGKILL, next start, trial); zero when there is none.
  absl::Duration time_left = absl::ZeroDuration();
  std::string text{};  // One line for people, complete in itself.
  // Of what somebody asked for: who ("uid 1000", "signal HUP", "autoscaler"), by which method of the
  // control API ("ResizePool"; empty: not by it), and RefusalReasonName of a refusal.
  std::string actor{};
  std::string method{};
  std::string reason{};
  uint64_t count = 1;  // How often; of refusals that are told together.
};

// No process lives and none will: the master exits with this status. Nothing follows it.
struct FinishPool {
  int exit_code = 0;
};

using PoolAction = std::variant<SpawnWorker, DrainWorker, SignalWorker, SetLeader, ResizeResult,
                                RestartResult, PoolNote, FinishPool>;

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_ACTION_H_
