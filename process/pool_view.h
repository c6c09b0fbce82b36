// The supervisor's core as it can be read and published: PoolState::pool() and PoolState::slot(i).
#ifndef SQUALL_PROCESS_POOL_VIEW_H_
#define SQUALL_PROCESS_POOL_VIEW_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_event.h"
#include "squall/process/worker_state.h"

namespace squall {

// Why a worker died without being asked to. The values are written into the scoreboard.
enum class DeathCause : uint8_t {
  kNone = 0,
  kExited = 1,       // Exit status other than 0 while READY.
  kSignaled = 2,     // A signal while READY.
  kBootFailure = 3,  // Died in any way but exit 0 before READY.
  kBootTimeout = 4,  // Killed because READY did not come in time.
};
inline constexpr int kNumDeathCauses = 5;

// "", "exited", "signaled", "boot failure", "boot timeout".
std::string_view DeathCauseName(DeathCause cause);

// "none", "graceful", "fast", "kill".
std::string_view ShutdownModeName(ShutdownMode mode);

// How the last process of a slot ended.
struct LastExit {
  ExitStatus status{};
  DeathCause cause = DeathCause::kNone;  // kNone: it was asked to stop, or was done (exit 0).
  pid_t pid = 0;
  uint64_t incarnation = 0;
  MonotonicTime at{};
};

struct SlotView {
  int slot = 0;  // = the task id.
  int row = 0;   // The scoreboard's row of its process.
  WorkerState state = WorkerState::kEmpty;
  StopStep stop_step = StopStep::kNone;
  uint64_t incarnation = 0;  // Of the present or last process; 0: there was none.
  uint64_t generation = 0;   // The pool's generation when that process was asked for.
  pid_t pid = 0;             // 0: no process.
  MonotonicTime since;       // When the slot entered its state.
  MonotonicTime started_at;  // When the present or last process was asked for.
  MonotonicTime ready_at;    // When it said READY; Infinite() if it did not.
  // When the next step is due: boot timeout, TERM, KILL, next start, trial, end of the trial.
  // Infinite() when EMPTY, DONE, or READY and not on trial.
  MonotonicTime deadline = MonotonicTime::Infinite();
  uint64_t restarts = 0;                           // Unrequested deaths over the pool's life.
  uint64_t spawn_failures = 0;                     // Failed forks over the pool's life.
  std::array<uint64_t, kNumDeathCauses> deaths{};  // By cause, over the pool's life.
  bool on_trial = false;  // The breaker was open; this worker shows whether it may close.
  std::optional<LastExit> last_exit;
};

struct PoolView {
  int desired = 0;
  int max_workers = 0;
  uint64_t generation = 0;  // 1 at the start; +1 for each accepted change of the target.
  uint64_t observed_generation =
      0;  // The newest one that was met: all READY or DONE, none draining.
  ShutdownMode shutdown = ShutdownMode::kNone;
  MonotonicTime started_at = MonotonicTime::Infinite();
  uint64_t restarts = 0;        // Unrequested deaths of all slots over the pool's life.
  uint64_t spawn_failures = 0;  // Failed forks, likewise.
  std::array<int, kNumWorkerStates> slots{};  // By WorkerState; their sum is max_workers.

  int count(WorkerState state) const { return slots[static_cast<size_t>(state)]; }

  friend bool operator==(const PoolView&, const PoolView&) = default;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_VIEW_H_
