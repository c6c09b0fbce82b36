// What the supervisor's core is told. The adapter makes these from fork results, the workers'
// links, pidfds, signals, control requests and timers.
//
//   Perform(pool.Step(WorkerExited{slot, incarnation, status}, clock.Now()));
//
// A worker is named by its slot and its incarnation (the slot's how-manieth process it is), never
// by its pid. Events of another incarnation than the slot's present one, of a slot that does not
// exist, or that make no sense in the slot's state are ignored: each may come late, twice or in
// another order than it happened.
#ifndef SQUALL_PROCESS_POOL_EVENT_H_
#define SQUALL_PROCESS_POOL_EVENT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_options.h"
#include "squall/process/restart_options.h"

namespace squall {

// The first event; later ones are ignored. Starts `desired` workers, lowest task ids first.
struct PoolStart {};

// SpawnWorker was performed and the process exists.
struct WorkerSpawned {
  int slot;
  uint64_t incarnation;
  pid_t pid;
};

// SpawnWorker failed (fork: EAGAIN, ENOMEM, pids limit; socketpair: EMFILE). Tried again with
// back-off, for ever; not a death.
struct WorkerSpawnFailed {
  int slot;
  uint64_t incarnation;
  std::string error{};  // For people: "fork: Resource temporarily unavailable".
};

// The worker said READY.
struct WorkerReady {
  int slot;
  uint64_t incarnation;
};

// The process is gone and reaped. Comes exactly once for each WorkerSpawned.
struct WorkerExited {
  int slot;
  uint64_t incarnation;
  ExitStatus status;
  bool out_of_memory = false;  // The kernel killed it for memory.
};

// The watchdog's verdict: the READY worker is sent `signo`, and SIGKILL after `grace` if it is still
// there. Its death counts, as hung. Without effect on a worker that is being stopped anyway.
struct AbortWorker {
  int slot;
  uint64_t incarnation;
  int signo;  // SIGABRT, or SIGKILL for a process that is stopped.
  absl::Duration grace;
  std::string reason{};  // "stalled for 12s in GET /report".
};

// Put a new worker into the slot, then stop this one: a recycle that is due, an operator's drain.
// One slot after the other, and not while the pool restarts (which replaces every worker anyway).
struct ReplaceWorker {
  int slot;
  uint64_t incarnation;
  std::string reason{};  // "served 10432 requests, limit 10400".
};

// End this worker with SIGKILL and start its slot again. A requested stop, so no crash.
struct KillWorker {
  int slot;
  uint64_t incarnation;
  std::string actor{};
};

// The worker gave the leader role up, as it was told to.
struct LeaderReleased {
  int slot;
  uint64_t incarnation;
};

// Replace every worker, a few at a time. Answered by exactly one RestartResult among the actions of
// this Step. One that comes while another runs waits for the end of that one, and further ones are
// the same request.
struct RestartRequest {
  std::optional<RestartOptions> options{};        // Unset: PoolOptions::restart.
  std::optional<uint64_t> expected_generation{};  // Refused when it is not the present one.
  bool validate_only = false;                     // Checks and answers, changes nothing.
  std::string actor{};                            // "signal HUP".
};

// Ends the restart that runs as if it had failed: it is rolled back, or pauses, as its options say.
// Without effect when none runs, or one is rolled back already.
struct CancelRestart {
  std::string actor{};
};

// Forgets the deaths of the slots that are FAILED or in BACKOFF and starts them at once: what made
// them fail was repaired.
struct ResetBreaker {
  int slot = -1;  // -1: of all.
  std::string actor{};
};

// Takes a ReplaceWorker back. Without effect when the worker's successor was started already.
struct CancelReplace {
  int slot;
  uint64_t incarnation;
  std::string actor{};
};

// Other deadlines, back-off and breaker from now on; what has begun keeps the times it began with.
// `options` are valid, and those that are fixed at the start (the slots) are as they were.
struct ChangeOptions {
  PoolOptions options;
  std::string what{};  // For people: "drain.grace from 30s to 10s".
  std::string actor{};
};

// An operator's absolute target. Answered by exactly one ResizeResult among the actions of this
// Step.
struct ResizeRequest {
  int target = 0;
  std::optional<uint64_t> expected_generation{};  // Refused when it is not the present one.
  bool validate_only = false;                     // Checks and answers, changes nothing.
  std::string actor{};                            // For the log: "uid 1000, pid 4242".
};

// A relative change, from SIGTTIN (+1) and SIGTTOU (−1). The result is clamped to 1 … max_workers
// and handled as a ResizeRequest.
struct ResizeBy {
  int delta = 0;
  std::string actor{};  // "signal TTIN".
};

enum class ShutdownMode : uint8_t {
  kNone = 0,
  kGraceful = 1,  // Every worker drains.
  kFast = 2,      // SIGTERM at once, SIGKILL after kill_after.
  kKill = 3,      // SIGKILL at once.
};

// Stop the pool and finish. Asking again for the same or for less takes the next firmer mode:
// SIGTERM three times is graceful, fast, kill.
struct ShutdownRequest {
  ShutdownMode mode = ShutdownMode::kGraceful;
  std::string actor{};  // "signal TERM".
};

// Nothing but the time: send one when next_deadline() has come. Every other event does the due
// work, too.
struct PoolTick {};

using PoolEvent = std::variant<PoolStart, WorkerSpawned, WorkerSpawnFailed, WorkerReady,
                               WorkerExited, AbortWorker, ReplaceWorker, CancelReplace, KillWorker,
                               LeaderReleased, ResetBreaker, ChangeOptions, ResizeRequest, ResizeBy,
                               RestartRequest, CancelRestart, ShutdownRequest, PoolTick>;

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_EVENT_H_
