// Internal to scoreboard: what stands where in the mapping. Any change of it, or of the structs that
// it holds, needs a new Scoreboard::kSchemaVersion.
//
// | header, pool row | master rows | stack rows | worker rows |, each part on pages of its own; each
// worker row, too, so that a worker can be kept from writing anything but its own. The master
// writes everything but the worker rows.
#ifndef SQUALL_PROCESS_SCOREBOARD_LAYOUT_H_
#define SQUALL_PROCESS_SCOREBOARD_LAYOUT_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "squall/process/pool_view.h"
#include "squall/process/scoreboard.h"
#include "squall/process/seqlock.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {

inline ProcessKey KeyOf(const SlotView& view) { return {view.slot, view.incarnation}; }

// Written once, by Create. Magic and version come first and never move, so that every version of
// the library can refuse every other one.
struct Scoreboard::Header {
  char magic[8];
  uint32_t schema_version;
  uint32_t rows;
  uint64_t size;  // Of the whole mapping.
  uint64_t masters_offset;
  uint64_t master_stride;
  uint64_t stacks_offset;
  uint64_t stack_stride;
  uint64_t workers_offset;
  uint64_t worker_stride;
  uint64_t instance_id;
  int64_t started_at_unix_ns;
  int64_t master_pid;
};

struct alignas(64) Scoreboard::PoolRow {
  internal::Seqlock<PoolView> pool;
  internal::Seqlock<PoolConfig> config;
  internal::Seqlock<AutoscalerView> autoscaler;
};

// What the master writes about the process of a row. Each cell has a time of its own to be written,
// and is small enough for it.
struct alignas(64) Scoreboard::MasterRow {
  struct Sampled {
    ProcessKey of;
    WorkerSample sample;
  };

  internal::Seqlock<SlotView> slot;
  // What the row had counted when its present worker began.
  internal::Seqlock<WorkerCounters> counters_base;
  internal::Seqlock<LatencyHistogram> latency_base;
  internal::Seqlock<Sampled> sample;
  internal::Seqlock<ProcessKey> stack_of;  // Whose stack the stack row has; {} if none.
};

// Is written, and takes memory, with the first stack.
struct alignas(64) Scoreboard::StackRow {
  struct Taken {
    ProcessKey of;
    pid_t pid = 0;
    uint32_t size = 0;
    char text[WorkerRow::kMaxStack] = {};
  };

  internal::Seqlock<Taken> stack;
};

struct Scoreboard::Layout {
  explicit Layout(size_t rows)
      : masters_offset(Pages(kPoolOffset + sizeof(PoolRow))),
        stacks_offset(Pages(masters_offset + rows * sizeof(MasterRow))),
        workers_offset(Pages(stacks_offset + rows * sizeof(StackRow))),
        worker_stride(Pages(sizeof(WorkerRow))),
        size(workers_offset + rows * worker_stride) {}

  static size_t Pages(size_t octets) {
    static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return (octets + page - 1) / page * page;
  }

  static constexpr size_t kPoolOffset = 128;
  static_assert(sizeof(Header) <= kPoolOffset);

  size_t masters_offset;
  size_t stacks_offset;
  size_t workers_offset;
  size_t worker_stride;
  size_t size;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SCOREBOARD_LAYOUT_H_
