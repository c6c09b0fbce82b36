// The life of a worker slot as everybody sees it: the supervisor's core decides it, the scoreboard
// publishes it, operators read it. The diagram is in docs/worker-lifecycle.md.
//
//   if (view.state == WorkerState::kReady) ++serving;
//   LOG(INFO) << "slot " << slot << " is " << WorkerStateName(state);
#ifndef SQUALL_PROCESS_WORKER_STATE_H_
#define SQUALL_PROCESS_WORKER_STATE_H_

#include <cstdint>
#include <string_view>

namespace squall {

// The values are written into the scoreboard, so they never change their numbers.
enum class WorkerState : uint8_t {
  kEmpty = 0,     // No process and none wanted.
  kStarting = 1,  // A process was asked for or runs, but has not said READY.
  kReady = 2,     // The worker serves.
  kDraining = 3,  // The worker was asked to stop; see StopStep for how firmly.
  kBackoff = 4,   // No process; one is started when the back-off is over.
  kFailed = 5,    // No process; the breaker is open and one trial follows after its cool-down.
  kDone = 6,      // The worker ended by itself with status 0; it is not restarted.
};
inline constexpr int kNumWorkerStates = 7;

// How far the ladder "please, TERM, KILL" has been climbed for the process in a slot.
enum class StopStep : uint8_t {
  kNone = 0,      // Nobody asked it to stop.
  kAsked = 1,     // Asked to drain; it has the grace period.
  kTermSent = 2,  // The grace period is over (or the stop is a fast one): SIGTERM was sent.
  kKillSent = 3,  // SIGKILL was sent. Also used for a STARTING worker that missed its boot timeout.
  kAbortSent = 4,  // The watchdog gave a hung READY worker up: SIGABRT was sent, SIGKILL follows.
};

// Is there, or may there be, a process in a slot of this state?
constexpr bool HasProcess(WorkerState state) {
  switch (state) {
    case WorkerState::kStarting:
    case WorkerState::kReady:
    case WorkerState::kDraining:
      return true;
    case WorkerState::kEmpty:
    case WorkerState::kBackoff:
    case WorkerState::kFailed:
    case WorkerState::kDone:
      return false;
  }
  return false;
}

// Upper case, as in the documentation: "STARTING". Any process, any thread.
constexpr std::string_view WorkerStateName(WorkerState state) {
  switch (state) {
    case WorkerState::kEmpty:
      return "EMPTY";
    case WorkerState::kStarting:
      return "STARTING";
    case WorkerState::kReady:
      return "READY";
    case WorkerState::kDraining:
      return "DRAINING";
    case WorkerState::kBackoff:
      return "BACKOFF";
    case WorkerState::kFailed:
      return "FAILED";
    case WorkerState::kDone:
      return "DONE";
  }
  return "UNKNOWN";
}

// "none", "asked", "TERM sent", "KILL sent", "ABRT sent".
constexpr std::string_view StopStepName(StopStep step) {
  switch (step) {
    case StopStep::kNone:
      return "none";
    case StopStep::kAsked:
      return "asked";
    case StopStep::kTermSent:
      return "TERM sent";
    case StopStep::kKillSent:
      return "KILL sent";
    case StopStep::kAbortSent:
      return "ABRT sent";
  }
  return "unknown";
}

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_STATE_H_
