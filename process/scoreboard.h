// The pool's state in shared memory: the master publishes slots and pool, each worker its own row,
// everybody else reads without asking the master or waiting for anyone.
//
//   ASSIGN_OR_RETURN(Scoreboard scoreboard, Scoreboard::Create(64));   // master, before any fork
//   scoreboard.PublishPool(pool.pool());                               // master
//   scoreboard.PublishSlot(pool.slot(3));                              // master
//   WorkerRow& row = scoreboard.worker_row(view.row);                  // the worker
//   ASSIGN_OR_RETURN(Scoreboard reader, Scoreboard::MapReadOnly(fd));  // control process
//   PoolSnapshot snapshot = reader.Read(Clock::Real().Now());
//
// There is no lock in it: each row has one writing process, who may be killed between any two
// stores. Rows that are more than one word carry a sequence counter; readers try a bounded number
// of times, and then mark the row as torn and show it as it was before.
#ifndef SQUALL_PROCESS_SCOREBOARD_H_
#define SQUALL_PROCESS_SCOREBOARD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/process/pool_config.h"
#include "squall/process/pool_snapshot.h"
#include "squall/process/pool_view.h"
#include "squall/process/scale_decision.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {

class Scoreboard {
 public:
  // Of everything in the mapping. A reader of another version is refused.
  static constexpr uint32_t kSchemaVersion = 4;
  static constexpr int kMaxRows = 4096;

  // A new scoreboard in a memfd (close-on-exec, mode 0600, sealed against resizing), with
  // `rows` EMPTY rows, one for each process that may live at the same time. By the master; its
  // children inherit the mapping. INVALID_ARGUMENT: rows outside 1 … kMaxRows. Else what
  // memfd_create(2), mmap(2) say.
  static absl::StatusOr<Scoreboard> Create(int rows);

  // Maps the scoreboard behind `fd` for reading. `fd` stays the caller's and may be closed.
  // FAILED_PRECONDITION with both numbers: another schema version. INVALID_ARGUMENT: not a
  // scoreboard.
  static absl::StatusOr<Scoreboard> MapReadOnly(int fd);

  Scoreboard(Scoreboard&& other) noexcept;
  Scoreboard& operator=(Scoreboard&& other) noexcept;
  ~Scoreboard();

  // For handing it to another process; owned by the scoreboard. -1 in one that was mapped by
  // MapReadOnly.
  int fd() const { return fd_.get(); }
  int rows() const;
  uint64_t instance_id() const;

  // --- The master.

  // Makes the pool's and a row's present state visible; call it after each Step for what changed
  // (PoolState::row_revision). For a new worker after FoldWorker.
  void PublishPool(const PoolView& view);
  void PublishSlot(const SlotView& view);

  // What is configured, and what the autoscaler last saw and decided.
  void PublishConfig(const PoolConfig& config);
  void PublishAutoscaler(const AutoscalerView& view);

  // What the master has found out about the process in `row`. It is shown until that process ends.
  void PublishSample(int row, const WorkerSample& sample);

  // The process that wrote worker_row(row) is dead and reaped, and no new one was started. If it
  // left a stack, returns that and keeps it for LastStack until another one of the same row comes;
  // else "". Before FoldWorker.
  std::string TakeStack(int row);

  // Likewise: the dead worker's counters become part of the totals alone, its connections,
  // heartbeat and request end. Without effect when called twice.
  void FoldWorker(int row);

  // --- A child of the master, after its fork.

  // Worker: from now on this process can write its own row only; a stray pointer into another one
  // crashes this worker instead of falsifying the scoreboard. A process that the worker forks gets
  // a row of its own there that nobody reads: two writers would falsify it, too.
  absl::Status RestrictToWorker(int row);
  // Control process: from now on this process can only read.
  absl::Status RestrictToReading();

  // A row as its worker writes it. Valid as long as the scoreboard.
  WorkerRow& worker_row(int row);
  const WorkerRow& worker_row(int row) const;

  // --- Any process.

  // What the row's present process has counted so far.
  WorkerCounters CountersSinceStart(int row) const;

  // The present state. Bounded: also with a dead or stopped writer it takes well under a
  // millisecond per hundred rows. `now` is used for ages.
  PoolSnapshot Read(MonotonicTime now) const;

  // The stack of the last process of `slot` that left one, if it is still there.
  std::optional<WorkerStack> LastStack(int slot) const;

 private:
  // See scoreboard_layout.h.
  struct Header;
  struct PoolRow;
  struct MasterRow;
  struct StackRow;
  struct Layout;

  Scoreboard(UniqueFd fd, void* base, size_t size);

  Header& header() const;
  PoolRow& pool_row() const;
  MasterRow& master_row(int row) const;
  StackRow& stack_row(int row) const;

  UniqueFd fd_;
  char* base_ = nullptr;  // Of the mapping, owned.
  size_t size_ = 0;
  // The master's: whose process it has published in each row.
  std::vector<SlotView> views_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SCOREBOARD_H_
