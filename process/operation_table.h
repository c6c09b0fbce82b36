// The operations that the master keeps: begun when a request is accepted, looked at after every
// change of the pool until they have ended. What is shown of them stands on an OperationBoard.
//
//   const uint64_t id = operations.Begin({.kind = OperationKind::kResize, .target = 8, …}, now);
//   operations.Update(pool, now);   // after each Step
//
// The master's, in its one thread.
#ifndef SQUALL_PROCESS_OPERATION_TABLE_H_
#define SQUALL_PROCESS_OPERATION_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "squall/base/clock.h"
#include "squall/process/operation.h"
#include "squall/process/operation_board.h"
#include "squall/process/pool_state.h"
#include "squall/process/pool_view.h"

namespace squall {

enum class ResizeProgress {
  kRunning,
  kReady,               // The target is READY or DONE; others still drain.
  kDone,                // And nobody drains any more.
  kSuperseded,          // Another target is wanted.
  kShuttingDown,        // The pool is ending.
  kWorkersUnavailable,  // All that is missing are slots whose breaker is open.
};

// How far a resize to `target` is.
ResizeProgress JudgeResize(const PoolView& pool, int target);

class OperationTable {
 public:
  // `board` is not owned.
  explicit OperationTable(OperationBoard& board) : board_(board) {}

  // May another one begin? Not while as many run as the board has cells.
  bool has_room() const { return running_.size() < OperationBoard::kCapacity; }

  // Needs has_room(). Sets id, state and began_at, and returns the id.
  uint64_t Begin(OperationView operation, MonotonicTime now);

  // Ends those that have come to their end.
  void Update(const PoolState& pool, MonotonicTime now);

  // One that runs; null when there is none such.
  const OperationView* FindRunning(uint64_t id) const;
  // The one that is the restart to this generation, if an operation began it.
  const OperationView* FindRestart(uint64_t generation) const;

  // Ends one that runs as cancelled.
  void Cancel(uint64_t id, std::string_view why, MonotonicTime now);

  // Why the restart failed that ends with the next Update().
  void NoteRestartFailure(std::string why) { restart_failure_ = std::move(why); }

  uint64_t last_id() const { return last_id_; }
  // Grows with every change of the board.
  uint64_t revision() const { return revision_; }

 private:
  struct Verdict {
    OperationState state = OperationState::kSucceeded;
    OperationError error = OperationError::kNone;
    std::string message{};
  };

  std::optional<Verdict> Judge(const OperationView& operation, const PoolState& pool) const;
  std::optional<Verdict> JudgeRestart(const OperationView& operation, const PoolView& pool) const;
  static std::optional<Verdict> JudgeWorker(const OperationView& operation, const PoolState& pool);
  void End(OperationView& operation, const Verdict& verdict, MonotonicTime now);

  OperationBoard& board_;
  std::vector<OperationView> running_;
  std::string restart_failure_;
  uint64_t last_id_ = 0;
  uint64_t revision_ = 0;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_OPERATION_TABLE_H_
