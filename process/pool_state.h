// The supervisor's core: which worker processes should exist, and what to do next about it. A pure
// state machine – no system call, no clock, its randomness from a seed – so that it can be tested
// with any order of events. docs/worker-lifecycle.md has its diagram and table.
//
//   PoolState pool(PoolOptions{.desired = 2, .max_workers = 64}, seed);
//   for (const PoolAction& action : pool.Step(PoolStart{}, clock.Now())) Perform(action);
//   while (!pool.finished()) {
//     PoolEvent event = WaitForEvent(pool.next_deadline());  // PoolTick{} when the time has come
//     for (const PoolAction& action : pool.Step(event, clock.Now())) Perform(action);
//   }
//
// Promises, tested with random and with adversarial orders of events:
//  - SpawnWorker is only asked for when the slot's last process is known to be gone: at most one
//    process per slot, at most max_workers in all;
//  - next_deadline() is finite whenever something is expected of a process or of the time;
//  - the ladder ask → TERM → KILL is never skipped, except that a worker that misses its boot
//    timeout is killed, and that an operator may ask for a fast stop;
//  - a requested stop is never counted as a crash; incarnations and generations only grow.
//
// The master uses it from its one thread. Copyable, so that a search can branch.
#ifndef SQUALL_PROCESS_POOL_STATE_H_
#define SQUALL_PROCESS_POOL_STATE_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "squall/base/clock.h"
#include "squall/process/backoff.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_state.h"

namespace squall {

class PoolState {
 public:
  // `options` must be valid (see Validate). `seed` feeds the jitter: a random number in production.
  PoolState(const PoolOptions& options, uint64_t seed);

  // Takes one event and all that is due at `now`; returns what to do, in order. `now` never goes
  // back (an earlier one is taken as the last one).
  std::vector<PoolAction> Step(const PoolEvent& event, MonotonicTime now);

  // When the next PoolTick is due; Infinite() when only events can change anything.
  MonotonicTime next_deadline() const;

  // FinishPool was returned; every further event is ignored.
  bool finished() const { return finished_; }

  const PoolView& pool() const { return pool_; }
  // 0 ≤ slot < max_workers.
  SlotView slot(int slot) const;

  // Grows with every change that a reader of pool() or slot() can see.
  uint64_t revision() const { return revision_; }
  // The revision at which this slot changed last: publish the slots whose one is newer than what
  // was published.
  uint64_t slot_revision(int slot) const;

 private:
  // Everything that can happen to a slot, from outside or by time.
  enum class SlotEvent {
    kAssign,       // The slot is wanted: start a worker.
    kRelease,      // No longer wanted: drain it.
    kReleaseFast,  // No longer wanted: SIGTERM now.
    kReleaseNow,   // No longer wanted: SIGKILL now.
    kSpawned,
    kSpawnFailed,
    kReady,
    kExited,
    kDeadline,
  };
  struct EventDetails {
    pid_t pid = 0;
    ExitStatus status{};
    std::string error{};
  };
  struct Slot {
    SlotView view{};
    Backoff backoff;
    Backoff spawn_backoff;
    std::deque<MonotonicTime> deaths{};  // Inside the breaker's window, oldest first.
    bool extended = false;               // The present deadline was moved once, see OnDeadline.
    uint64_t revision = 0;
  };
  struct RememberedRequest {
    ResizeResult result;
    int target;
    MonotonicTime at;
  };

  // The one place where a slot changes its state.
  void Transition(Slot& slot, SlotEvent event) { Transition(slot, event, EventDetails()); }
  void Transition(Slot& slot, SlotEvent event, const EventDetails& details);

  // What Transition is made of; pool_state_transition.cc has both.
  void Enter(Slot& slot, WorkerState state, MonotonicTime deadline);
  void StartWorker(Slot& slot);
  void SetPid(Slot& slot, pid_t pid);
  void BecomeReady(Slot& slot);
  void BecomeDone(Slot& slot);
  void BecomeStopped(Slot& slot, const ExitStatus& status);
  void StartDrain(Slot& slot);
  void SendTerm(Slot& slot);
  void SendKill(Slot& slot, WorkerState state);
  void NoteBootTimeout(Slot& slot);
  void RecordExit(Slot& slot, const ExitStatus& status, DeathCause cause);
  void CountDeath(Slot& slot, DeathCause cause, const ExitStatus& status);
  void RetrySpawn(Slot& slot, const std::string& error);
  void Retry(Slot& slot);
  void CloseBreaker(Slot& slot);
  void GiveUpSlot(Slot& slot);

  void OnEvent(const PoolStart& event);
  void OnEvent(const WorkerSpawned& event);
  void OnEvent(const WorkerSpawnFailed& event);
  void OnEvent(const WorkerReady& event);
  void OnEvent(const WorkerExited& event);
  void OnEvent(const ResizeRequest& event);
  void OnEvent(const ResizeBy& event);
  void OnEvent(const ShutdownRequest& event);
  void OnEvent(const PoolTick& event);

  // The slot that an event is about; null when the event is of another incarnation.
  Slot* Find(int slot, uint64_t incarnation);
  ResizeResult Resize(const ResizeRequest& request);
  void SetTarget(int target);
  void ForgetOldRequests();
  // Asks all that lives to stop, as firmly as `event` says, and gives up all else.
  void ReleaseAll(SlotEvent event);
  // Deadlines that have come.
  void RunDeadlines();
  bool ExtendDeadline(Slot& slot);
  // Moves the pool towards its target.
  void Reconcile();
  Slot* NextToRelease();
  void UpdatePool();
  void FinishIfDone();

  void Note(PoolNote::Type type, PoolNote::Severity severity, std::string text,
            const Slot* slot = nullptr, absl::Duration time_left = absl::ZeroDuration());
  void Touch(Slot& slot);
  static std::string Name(const Slot& slot);       // "worker 3 (pid 4711)"
  static std::string In(absl::Duration duration);  // For people: to the millisecond.

  PoolOptions options_;
  std::minstd_rand random_;
  MonotonicTime now_;
  std::vector<Slot> slots_;
  PoolView pool_;
  PoolView published_;  // pool_ at the end of the last Step.
  bool started_ = false;
  bool finished_ = false;
  ShutdownMode asked_ = ShutdownMode::kNone;  // The firmest that was requested.
  int exit_code_ = 0;
  uint64_t revision_ = 0;
  std::unordered_map<std::string, RememberedRequest> requests_;
  std::deque<std::string> request_order_;  // Oldest first.
  std::vector<PoolAction> actions_;        // Of the Step that runs.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_STATE_H_
