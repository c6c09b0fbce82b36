// What the kernel says about a process: its state, its processor time, its memory.
//
//   ASSIGN_OR_RETURN(const ProcessStat stat, ReadProcessStat(pid));
//   if (stat.state == 'T') LOG(WARNING) << pid << " is stopped";
//
// One open, read and close of a file in /proc, about 10 µs; it waits for nothing, also not for a
// process that is stopped or hangs in the kernel. Any process, any thread. A pid is safe to use as
// long as the caller has not reaped the process, for until then the kernel gives it to no other.
#ifndef SQUALL_PROCESS_PROCESS_STAT_H_
#define SQUALL_PROCESS_PROCESS_STAT_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace squall {

struct ProcessStat {
  // As in proc(5): R runs or wants to, S sleeps, D sleeps uninterruptibly in the kernel, T is
  // stopped by a signal, t by a debugger, Z is dead and not reaped. Of the main thread.
  char state = '?';
  // User and system time, counted in ticks of the kernel, mostly 10 ms.
  absl::Duration cpu_time;
  // Resident memory, shared pages included; the kernel's counters may be some pages late.
  uint64_t rss_bytes = 0;
};

// With the processor time of all threads, from /proc/PID/stat. NOT_FOUND: no such process.
absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid);

// With the processor time of the main thread alone, where a worker's loop runs: whether the machine
// runs the loop cannot be seen from a process whose other threads are busy. From
// /proc/PID/task/PID/stat. NOT_FOUND: no such process.
absl::StatusOr<ProcessStat> ReadMainThreadStat(pid_t pid);

namespace internal {

// One line of such a file. INVALID_ARGUMENT: it is none.
absl::StatusOr<ProcessStat> ParseProcessStat(std::string_view line, int64_t ticks_per_second,
                                             int64_t page_bytes);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_PROCESS_PROCESS_STAT_H_
