// How many processors this process may use.
//
//   int workers = squall::CpuCount();
#ifndef SQUALL_PROCESS_CPU_COUNT_H_
#define SQUALL_PROCESS_CPU_COUNT_H_

#include <string>

namespace squall {

// The smaller of the affinity mask (sched_getaffinity(2)) and the processor quota of the control
// groups this process is in (v2 cpu.max of every group from its own up to the root, v1
// cpu.cfs_quota_us), a fraction rounded up; at least 1. Tornado's cpu_count() sees neither, and
// starts 64 workers in a container of two processors. Any process, any thread; reads a few files.
int CpuCount();

namespace internal {

// CpuCount with the file system below `root` ("" for the real one) and that many processors in the
// affinity mask.
int CpuCountFrom(const std::string& root, int affinity);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_PROCESS_CPU_COUNT_H_
