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
//  - SpawnWorker is only asked for when the row's last process is known to be gone: at most one
//    process per row, and per slot except while it is handed over from one row to another;
//  - at most max_workers + surge_slots processes, and during a restart at most max_surge beyond the
//    target;
//  - next_deadline() is finite whenever something is expected of a process or of the time;
//  - the ladder ask → TERM → KILL is never skipped, except that a worker that misses its boot
//    timeout or hangs is killed, and that an operator may ask for a fast stop;
//  - at most one worker has the leader role;
//  - a requested stop is never counted as a crash; incarnations and generations only grow.
//
// The master uses it from its one thread. Copyable, so that a search can branch.
#ifndef SQUALL_PROCESS_POOL_STATE_H_
#define SQUALL_PROCESS_POOL_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "squall/base/clock.h"
#include "squall/process/backoff.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_state.h"

namespace squall {

namespace testing {
class PoolFingerprint;
}

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
  // As of the start, and as changed since (ChangeOptions); `desired` is that of the start.
  const PoolOptions& options() const { return options_; }
  // The row that holds the slot, or the last one that did. 0 ≤ slot < max_workers.
  SlotView slot(int slot) const;

  // Places for processes: max_workers + surge_slots.
  int rows() const { return static_cast<int>(rows_.size()); }
  // 0 ≤ row < rows().
  const SlotView& row(int row) const;

  // Grows with every change that a reader of pool() or row() can see.
  uint64_t revision() const { return revision_; }
  // The revision at which this row changed last: publish the rows whose one is newer than what was
  // published.
  uint64_t row_revision(int row) const;

 private:
  friend class testing::PoolFingerprint;

  // A deadline overdue by more than this was not missed by the worker but by the master itself
  // (SIGSTOP, a frozen cgroup, a starved machine), and the worker most likely stood still with it.
  static constexpr absl::Duration kMasterWasLate = absl::Seconds(5);

  // Everything that can happen to a row, from outside or by time.
  enum class RowEvent {
    kAssign,       // The slot is wanted: start a worker.
    kRelease,      // No longer wanted: drain it.
    kReleaseFast,  // No longer wanted: SIGTERM now.
    kReleaseNow,   // No longer wanted: SIGKILL now.
    kSpawned,
    kSpawnFailed,
    kReady,
    kExited,
    kAbort,  // The watchdog gives it up.
    kDeadline,
  };
  struct EventDetails {
    pid_t pid = 0;
    ExitStatus status{};
    bool out_of_memory = false;
    std::string error{};
    int signo = 0;
    absl::Duration grace{};
  };
  struct Row {
    SlotView view{};
    Backoff backoff;
    Backoff spawn_backoff;
    std::vector<MonotonicTime> deaths{};  // Inside the breaker's window, oldest first.
    bool extended = false;         // The present deadline was moved once, see ExtendDeadline.
    bool soaking = false;          // READY, and has to stay so for a while.
    bool leader_revoked = false;   // It was told to give the leader role up.
    std::string replace_reason{};  // Not empty: it is to be replaced.
    uint64_t revision = 0;
  };
  // What outlives a slot's processes, whatever row they are in.
  struct History {
    uint64_t incarnation = 0;
    uint64_t restarts = 0;
    uint64_t spawn_failures = 0;
    std::array<uint64_t, kNumDeathCauses> deaths{};
    std::optional<LastExit> last_exit{};
  };

  // pool_state_transition.cc. The one place where a row changes its state, and what it is made of.
  void Transition(Row& row, RowEvent event) { Transition(row, event, EventDetails()); }
  void Transition(Row& row, RowEvent event, const EventDetails& details);
  void Enter(Row& row, WorkerState state, MonotonicTime deadline);
  void StartWorker(Row& row, uint64_t generation);
  void SetPid(Row& row, pid_t pid);
  void BecomeReady(Row& row);
  void BecomeDone(Row& row);
  void BecomeStopped(Row& row, const ExitStatus& status);
  void StartDrain(Row& row);
  void SendTerm(Row& row);
  void SendKill(Row& row, WorkerState state);
  void SendAbort(Row& row, const EventDetails& details);
  void NoteBootTimeout(Row& row);
  void PassTest(Row& row);
  // When a READY worker's trial ends; Infinite() when it is on none.
  MonotonicTime TrialEnd(const Row& row) const;
  void GiveUpSlot(Row& row);
  // The row has no process any more, and none is wanted in it but a refill.
  void Vacate(Row& row);

  // pool_state_death.cc: deaths that nobody asked for, and failed forks.
  void RecordExit(Row& row, const ExitStatus& status, DeathCause cause);
  void CountDeath(Row& row, DeathCause cause, const ExitStatus& status);
  bool GiveUpPool(Row& row, const std::string& what);
  void RestartAfterDeath(Row& row, const std::string& what);
  // Was it READY, with no other worker that serves?
  bool IsLastToServe(const Row& row) const;
  void RetrySpawn(Row& row, const std::string& error);
  void Retry(Row& row);

  void OnEvent(const PoolStart& event);
  void OnEvent(const WorkerSpawned& event);
  void OnEvent(const WorkerSpawnFailed& event);
  void OnEvent(const WorkerReady& event);
  void OnEvent(const WorkerExited& event);
  void OnEvent(const AbortWorker& event);
  void OnEvent(const ReplaceWorker& event);
  void OnEvent(const CancelReplace& event);
  void OnEvent(const KillWorker& event);
  void OnEvent(const LeaderReleased& event);
  void OnEvent(const ResetBreaker& event);
  void OnEvent(const ChangeOptions& event);
  void OnEvent(const ResizeRequest& event);
  void OnEvent(const ResizeBy& event);
  void OnEvent(const RestartRequest& event);
  void OnEvent(const CancelRestart& event);
  void OnEvent(const ShutdownRequest& event);
  void OnEvent(const PoolTick& event);

  // The row that an event is about; null when it is of an incarnation that is no more.
  Row* Find(int slot, uint64_t incarnation);
  // Asks all that lives to stop, as firmly as `event` says, and gives up all else.
  void ReleaseAll(RowEvent event);
  // Deadlines that have come.
  void RunDeadlines();
  bool ExtendDeadline(Row& row);
  // Moves the pool towards its target.
  void Reconcile();
  Row* NextToRelease();
  void ReleaseSlot(Row& row);
  Row* RowForSlot(int slot);
  // The row that another process may be put into; null when there is none.
  Row* EmptyRow();
  void Assign(Row& row, int slot);
  void UpdateLeader();

  // pool_state_resize.cc: another target.
  ResizeResult Resize(const ResizeRequest& request);
  void SetTarget(int target);

  // pool_state_restart.cc: a rolling restart as a whole.
  RestartResult Restart(const RestartRequest& request);
  void BeginRestart(const RestartOptions& options, const std::string& actor);
  void FailRestart(const std::string& why);
  // Gives the note of a refusal, the last one, the refusal's reason.
  template <typename Result>
  void NameReason(const Result& result) {
    std::get<PoolNote>(actions_.back()).reason =
        std::string(RefusalReasonName(result.reason, result.code));
  }
  void NoteRestart(PoolNote::Type type, PoolNote::Severity severity, std::string text);
  void EndRestart(RestartPhase phase);
  void CheckRestart();
  void RestartProgressed();
  absl::Duration RestartPatience() const;
  absl::Duration BootTimeout(uint64_t generation) const;
  bool RestartLeft(const Row& row) const;
  std::string RestartWaitsFor() const;
  int MinHealthy() const;
  int MaxSurge() const;
  void CountRestartFailure(const Row& row, const std::string& what);

  // pool_state_replace.cc: one worker in the place of another.
  void RunReplacements();
  bool MayReplace(const Row& holder) const;
  bool ReplaceOne(Row& holder);
  void StartSuccessor(Row& row, Row& holder);
  void TakeOver(Row& successor);
  void SuccessorLost(Row& row, const std::string& what);

  // What follows from the rows.
  // Holds its slot, with a process or without.
  static bool HasSlot(const Row& row);
  // Its process, or its next one, counts towards the target.
  static bool Assigned(const SlotView& view);
  // Serves, and has nothing to prove.
  static bool Proven(const Row& row);
  bool OfNewGeneration(const Row& row) const;
  Row* SuccessorOf(int slot);
  int CountRole(RowRole role) const;
  // What workers that are replaced now get, and what slots get that are new.
  uint64_t TargetGeneration() const;
  uint64_t GrowthGeneration() const;
  bool HasReplacements() const;
  void UpdatePool();
  void FinishIfDone();

  void Note(PoolNote::Type type, PoolNote::Severity severity, std::string text,
            const Row* row = nullptr, absl::Duration time_left = absl::ZeroDuration());
  // Fills in the totals of view.slot.
  void ShowHistory(SlotView& view) const;
  // In every row of the slot, after a change.
  void ShowHistory(int slot);
  void SetRole(Row& row, RowRole role);
  void Touch(Row& row);
  static std::string Name(const Row& row);  // "worker 3 (pid 4711)"
  // Of what `actor` asked for.
  void NoteRequest(const std::string& actor, PoolNote::Type type, PoolNote::Severity severity,
                   std::string text, const Row* row = nullptr);
  static std::string By(const std::string& actor);  // " by signal TERM"; "" for nobody.
  static std::string In(absl::Duration duration);   // For people: to the millisecond.

  PoolOptions options_;
  std::minstd_rand random_;
  MonotonicTime now_;
  std::vector<Row> rows_;
  std::vector<History> history_;  // By slot.
  PoolView pool_;
  PoolView published_;  // pool_ at the end of the last Step.
  bool started_ = false;
  bool finished_ = false;
  ShutdownMode asked_ = ShutdownMode::kNone;  // The firmest that was requested.
  int exit_code_ = 0;
  RestartOptions restart_;                        // Of the running restart.
  std::optional<RestartRequest> queued_restart_;  // Begins after the running one.
  MonotonicTime restart_deadline_ = MonotonicTime::Infinite();
  bool restart_extended_ = false;
  std::ptrdiff_t restart_left_ = 0;  // Rows that it was not done with, when that was checked last.
  std::string start_error_;          // Of the last attempt to start a worker, if it failed.
  int failed_starts_ = 0;            // Since the last one that succeeded.
  Backoff replace_backoff_;          // Between successors that died or could not be started.
  std::optional<MonotonicTime> replace_not_before_;
  uint64_t revision_ = 0;
  std::vector<PoolAction> actions_;  // Of the Step that runs.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_STATE_H_
