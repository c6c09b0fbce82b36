// Internal: how many threads this process has. A lock that another thread holds at a fork stays
// locked for ever in the child, so the master refuses to fork when there is more than one.
#ifndef SQUALL_PROCESS_THREADS_H_
#define SQUALL_PROCESS_THREADS_H_

#include "absl/status/status.h"

namespace squall::internal {

// OK when this process has exactly one thread; else FAILED_PRECONDITION with the number and the
// names of the others, from /proc/self/task.
absl::Status CheckSingleThreaded();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_THREADS_H_
