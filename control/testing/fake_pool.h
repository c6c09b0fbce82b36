// A pool without processes, for tests of the control plane: the real state machine and the real
// scoreboard, and workers that do what the test says, when it says so.
//
//   FakePool pool(2, 8);                         // two workers, both READY
//   pool.Resize(4);                              // two more are STARTING
//   pool.MakeAllReady();
#ifndef SQUALL_CONTROL_TESTING_FAKE_POOL_H_
#define SQUALL_CONTROL_TESTING_FAKE_POOL_H_

#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "squall/control/pool_backend.h"
#include "squall/process/event_log.h"
#include "squall/process/exit_status.h"
#include "squall/process/operation.h"
#include "squall/process/operation_board.h"
#include "squall/process/pool_commands.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_journal.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_state.h"
#include "squall/process/scale_decision.h"
#include "squall/process/scoreboard.h"
#include "squall/process/worker_row.h"

namespace squall::testing {

// All functions may be called from any thread.
class FakePool : public PoolReader, public PoolCommander {
 public:
  // So that a test can fill the log.
  static constexpr size_t kEventBytes = size_t{256} * 1024;

  FakePool(int desired, int max_workers)
      : FakePool(PoolOptions{.desired = desired, .max_workers = max_workers}) {}
  explicit FakePool(const PoolOptions& options);

  PoolSnapshot Read() override;
  std::optional<OperationView> FindOperation(uint64_t id) override {
    if (before_find_) before_find_();
    return board_.Find(id);
  }
  std::vector<OperationView> ListOperations() override { return board_.List(); }
  const EventLog& events() override { return events_; }
  void Send(const LinkRequest& request, Done done) override;
  void Report(const LinkRefusal& refusal) override;

  // An event.
  void Note(const PoolNote& note);

  // As if somebody had asked for it.
  void Resize(int workers);

  // Called after each change, without the lock.
  void OnChange(std::function<void()> callback);

  // Runs before each look for an operation, in the thread that looks. To be set before the first.
  void BeforeFindOperation(std::function<void()> callback) { before_find_ = std::move(callback); }

  // Operations end for the readers only when they are let go, as between the two writes of the master.
  void HoldOperations();
  void LetOperationsGo();

  // What the workers do. New ones stay STARTING, and those that are to go DRAINING, until then.
  void MakeAllReady();
  void FinishDraining();
  // The worker of the slot dies; its replacement is started when its back-off is over at the next
  // call.
  void Kill(int slot, ExitStatus status);
  void BeginShutdown();

  void ShowAutoscaler(const AutoscalerView& view);

  // Commands get no answer but Unavailable, as from a stopped master.
  void SetUnreachable(bool unreachable);
  // For what a worker writes itself.
  WorkerRow& row(int slot) { return scoreboard_.worker_row(slot); }
  LinkRequest last_command();

 private:
  // With mutex_ held.
  void Step(const PoolEvent& event);
  void Add(PoolNote note);
  void Changed();

  std::mutex mutex_;
  PoolConfig config_;
  PoolState state_;
  Scoreboard scoreboard_;
  OperationBoard board_ = OperationBoard::Create().value();
  PoolCommands commands_{board_};
  EventLog events_ = EventLog::Create(kEventBytes).value();
  PoolJournal journal_{events_};
  bool unreachable_ = false;
  bool operations_held_ = false;
  LinkRequest last_command_;
  std::function<void()> on_change_;
  std::function<void()> before_find_;
};

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_FAKE_POOL_H_
