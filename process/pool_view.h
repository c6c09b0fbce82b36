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
  kHung = 5,         // Killed by the watchdog.
  kOutOfMemory = 6,  // Killed by the kernel, for memory.
};
inline constexpr int kNumDeathCauses = 7;

// "", "exited", "signaled", "boot failure", "boot timeout", "hung", "out of memory".
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

  friend bool operator==(const LastExit&, const LastExit&) = default;
};

// What a row's process is to its slot. One process holds a slot; a second one lives in another row
// while the slot is handed over from one to the other.
enum class RowRole : uint8_t {
  kHolder = 0,     // The slot's worker.
  kSuccessor = 1,  // Takes the slot over when it has proven itself.
  kLeaving = 2,    // Draining, and another row holds the slot.
  kRefill = 3,     // Draining; when it is gone the slot's next worker starts in this row.
};

// "holder", "successor", "leaving", "refill".
std::string_view RowRoleName(RowRole role);

// A row as the supervisor's core sees it: a place for one process, which works for a slot.
struct SlotView {
  int slot = 0;  // = the task id.
  int row = 0;   // The scoreboard's row of its process; −1: the slot was never in any.
  RowRole role = RowRole::kHolder;
  WorkerState state = WorkerState::kEmpty;
  StopStep stop_step = StopStep::kNone;
  uint64_t incarnation = 0;  // Of the present or last process; 0: there was none.
  // That of the restart to whose workers it belongs; 1 before the first restart.
  uint64_t generation = 0;
  pid_t pid = 0;             // 0: no process.
  MonotonicTime since;       // When the slot entered its state.
  MonotonicTime started_at;  // When the present or last process was asked for.
  MonotonicTime ready_at;    // When it said READY; Infinite() if it did not.
  // When the next step is due: boot timeout, TERM, KILL, next start, trial, end of the trial or of
  // the soak. Infinite() when EMPTY, DONE, or READY with nothing to prove.
  MonotonicTime deadline = MonotonicTime::Infinite();
  uint64_t restarts = 0;                           // Unrequested deaths over the pool's life.
  uint64_t spawn_failures = 0;                     // Failed forks over the pool's life.
  std::array<uint64_t, kNumDeathCauses> deaths{};  // By cause, over the pool's life.
  bool on_trial = false;  // The breaker was open; this worker shows whether it may close.
  bool leader = false;    // The one worker that has the leader role.
  std::optional<LastExit> last_exit;

  friend bool operator==(const SlotView&, const SlotView&) = default;
};

enum class RestartPhase : uint8_t {
  kNone = 0,         // There was none.
  kRunning = 1,      // Workers are being replaced.
  kRollingBack = 2,  // It failed; the generation before comes back.
  kSucceeded = 3,
  kFailed = 4,
};

// "none", "running", "rolling back", "succeeded", "failed".
std::string_view RestartPhaseName(RestartPhase phase);

// The last rolling restart.
struct RestartView {
  RestartPhase phase = RestartPhase::kNone;
  uint64_t generation = 0;  // Of its workers.
  int remaining = 0;        // Workers that are still to be replaced.
  int failures = 0;         // Deaths of its workers.
  MonotonicTime started_at = MonotonicTime::Infinite();
  MonotonicTime ended_at = MonotonicTime::Infinite();

  bool runs() const {
    return phase == RestartPhase::kRunning || phase == RestartPhase::kRollingBack;
  }
  friend bool operator==(const RestartView&, const RestartView&) = default;
};

struct PoolView {
  int desired = 0;
  int max_workers = 0;
  int surge_slots = 0;
  uint64_t generation =
      0;  // 1 at the start; +1 for each accepted resize to another target, restart.
  // What new workers get: that of the last restart that succeeded.
  uint64_t worker_generation = 0;
  RestartView restart{};
  uint64_t observed_generation =
      0;  // The newest one that was met: all READY or DONE, none draining.
  ShutdownMode shutdown = ShutdownMode::kNone;
  MonotonicTime started_at = MonotonicTime::Infinite();
  uint64_t restarts = 0;  // Unrequested deaths of all slots over the pool's life.
  std::array<uint64_t, kNumDeathCauses> deaths{};  // The same by cause.
  uint64_t spawn_failures = 0;                     // Failed forks, likewise.
  // Rows by WorkerState; their sum is max_workers + surge_slots.
  std::array<int, kNumWorkerStates> slots{};

  int count(WorkerState state) const { return slots[static_cast<size_t>(state)]; }

  friend bool operator==(const PoolView&, const PoolView&) = default;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_VIEW_H_
