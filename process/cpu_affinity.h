// Internal: which CPUs this process may run on, for masks of any size.
//
//   ASSIGN_OR_RETURN(std::vector<int> allowed, internal::AllowedCpus());   // {0, 1, 4}
//   RETURN_IF_ERROR(internal::RunOnCpus({allowed.front()}));
#ifndef SQUALL_PROCESS_CPU_AFFINITY_H_
#define SQUALL_PROCESS_CPU_AFFINITY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace squall::internal {

// The CPUs of the calling thread's affinity mask (sched_getaffinity(2)), ascending, never empty.
absl::StatusOr<std::vector<int>> AllowedCpus();

// From now on the calling thread, and what it forks, runs on these CPUs only
// (sched_setaffinity(2)). The kernel leaves out those that its cpuset does not have, and refuses
// with EINVAL when none is left. `cpus` is not empty and holds no negative number.
absl::Status RunOnCpus(const std::vector<int>& cpus);

// "0-2,4" for {0, 1, 2, 4}; `cpus` ascending.
std::string FormatCpus(const std::vector<int>& cpus);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_CPU_AFFINITY_H_
