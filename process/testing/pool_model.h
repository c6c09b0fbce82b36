// A small model of the kernel around a PoolState, and of what must hold between the two whatever
// happens. It has no will of its own: which fork fails, which worker obeys, crashes or hangs, and in
// which order messages come, is decided by the test, at random or one after the other.
//
//   PoolModel model({.desired = 2, .max_workers = 3}, seed);
//   model.Send(PoolStart{});
//   ModelProcess& process = model.processes()[0];
//   const PoolEvent spawned = model.Fork(process);
//   model.Send(WorkerReady{process.slot, process.incarnation});  // It was faster than fork's return.
//   model.Send(spawned);
//   model.Converge();
//   EXPECT_EQ(model.error(), "");
//
// Copyable, so that a search can branch.
#ifndef SQUALL_PROCESS_TESTING_POOL_MODEL_H_
#define SQUALL_PROCESS_TESTING_POOL_MODEL_H_

#include <sys/types.h>

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "squall/base/clock.h"
#include "squall/process/exit_status.h"
#include "squall/process/pool_action.h"
#include "squall/process/pool_event.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_state.h"
#include "squall/process/pool_view.h"
#include "squall/process/restart_options.h"

namespace squall::testing {

inline constexpr size_t kNumNoteTypes = static_cast<size_t>(PoolNote::Type::kFinished) + 1;

// A process that the core asked for, from its SpawnWorker until the core was told of its end.
struct ModelProcess {
  enum class Life : uint8_t {
    kAsked,      // fork has not been tried.
    kAlive,      // It exists.
    kDead,       // It is gone; the core does not know yet.
    kNotForked,  // fork failed; the core does not know yet.
  };
  int slot = 0;
  int row = 0;
  uint64_t incarnation = 0;
  pid_t pid = 0;
  Life life = Life::kAsked;
  ExitStatus status{};  // Once it is dead.
  bool spawn_told = false;
  bool ready_told = false;
  bool kill_requested = false;  // By an operator.
  bool replace_wanted = false;
  bool leader = false;          // What it believes.
  bool leader_revoked = false;  // It was told to give the role up.
  MonotonicTime boot_end;       // When it must be READY.
  // When the core did this with it first.
  MonotonicTime drained = MonotonicTime::Infinite();
  MonotonicTime term = MonotonicTime::Infinite();
  MonotonicTime kill = MonotonicTime::Infinite();
  MonotonicTime abort = MonotonicTime::Infinite();

  bool may_live() const { return life == Life::kAsked || life == Life::kAlive; }
  bool asked_to_stop() const {
    return !drained.is_infinite() || !term.is_infinite() || !kill.is_infinite() ||
           !abort.is_infinite();
  }
};

class PoolModel {
 public:
  // The grace of every AbortWorker that a test sends.
  static constexpr absl::Duration kAbortGrace = absl::Seconds(1);

  PoolModel(const PoolOptions& options, uint64_t seed);

  const PoolState& pool() const { return pool_; }
  const PoolOptions& options() const { return options_; }
  MonotonicTime now() const { return now_; }
  void Advance(absl::Duration by) { now_ += by; }
  // To the next deadline, when there is one and it has not come.
  void AdvanceToDeadline();

  // Takes the event to the core, looks at everything that it asks for and at its state afterwards.
  // Returns the actions.
  std::vector<PoolAction> Send(const PoolEvent& event);

  // The processes that the core does not know to be gone. Send changes it.
  std::vector<ModelProcess>& processes() { return processes_; }
  const std::vector<ModelProcess>& processes() const { return processes_; }
  // Null when it is known to be gone.
  ModelProcess* Find(int slot, uint64_t incarnation);

  // What happens in the kernel. The message about it is returned, to be sent sooner or later.
  PoolEvent Fork(ModelProcess& process);
  PoolEvent FailFork(ModelProcess& process);
  PoolEvent Die(ModelProcess& process, const ExitStatus& status);

  // What happens next in a world without faults, where every message comes and everybody obeys at
  // once; unset when nothing does until the time has come.
  std::optional<PoolEvent> NextWithoutFaults();

  // The faults stop. The pool must come to rest where its last accepted request wants it, within
  // the longest chain of deadlines.
  void Converge();
  // Nothing goes on: it must be at rest where it is wanted.
  void CheckRest();

  // The restart to this generation has failed.
  bool HasFailed(uint64_t generation) const;

  // The first thing that was wrong; empty as long as nothing is.
  const std::string& error() const { return error_; }
  // The types of notes there were.
  const std::bitset<kNumNoteTypes>& seen() const { return seen_; }
  // Prints every event and note.
  void Trace() { trace_ = true; }

 private:
  void Fail(const std::string& what);
  // The row of a process, while the core believes in it.
  const SlotView* RowOf(int slot, uint64_t incarnation) const;

  // What the event must do.
  void Expect(const PoolEvent& event);
  void ExpectExit(const WorkerExited& event);
  void ExpectShutdown(const ShutdownRequest& event);
  void Forget(int slot, uint64_t incarnation);

  void Perform(const SpawnWorker& spawn);
  void Perform(const DrainWorker& drain);
  void Perform(const SignalWorker& signal);
  void Perform(const SetLeader& action);
  void Perform(const ResizeResult& result);
  void Perform(const RestartResult& result);
  void Perform(const PoolNote& note);
  void Perform(const FinishPool& finish);

  // What must hold after every event.
  void CheckResults(const PoolEvent& event, const PoolView& before,
                    const std::vector<PoolAction>& actions);
  void CheckStops(const PoolEvent& event, const PoolView& before,
                  const std::vector<SlotView>& rows);
  void CheckTakenOut(const std::vector<SlotView>& rows);
  void CheckRevisions(uint64_t revision, const PoolView& before, const std::vector<SlotView>& rows);
  void CheckTotals(const PoolView& before, const std::vector<SlotView>& rows);
  void CheckDeadlines();
  void CheckRoles();

  PoolOptions options_;
  PoolState pool_;
  MonotonicTime now_;
  std::vector<ModelProcess> processes_;
  std::vector<uint64_t> incarnations_;  // The last one of each slot.
  pid_t last_pid_ = 100;
  // Of the requests so far.
  bool shutdown_ = false;
  bool fast_ = false;
  bool kill_requested_ = false;
  bool gave_up_ = false;
  bool finished_ = false;
  uint64_t crashes_ = 0;
  uint64_t spawn_failures_ = 0;
  // Options of the running restart, and of the one that would begin next.
  RestartOptions restart_;
  uint64_t restart_generation_ = 0;  // 0: none runs.
  RestartOptions next_restart_;
  std::vector<uint64_t> failed_generations_;

  std::string error_;
  std::bitset<kNumNoteTypes> seen_;
  bool trace_ = false;
};

}  // namespace squall::testing

#endif  // SQUALL_PROCESS_TESTING_POOL_MODEL_H_
