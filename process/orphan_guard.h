// Internal: ends a worker whose master is gone and which cannot see it, for it sits in a blocking
// handler or runs no loop at all.
//
// The lifeline tells a worker's loop that the master died. A handler that blocks for ever would
// keep such a worker, and the port, alive for ever. The guard asks the kernel for a signal at the
// master's death (PR_SET_PDEATHSIG); its handler arms a timer that kills the process when the grace
// period is over. The signal alone is no lifeline: setuid clears it (see DESIGN of the package in
// docs/worker-lifecycle.md), so it is only the second line.
#ifndef SQUALL_PROCESS_ORPHAN_GUARD_H_
#define SQUALL_PROCESS_ORPHAN_GUARD_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall::internal {

// In a worker, right after the fork: the master's death ends the process at once until
// GuardOrphan() says otherwise. Ends the process here if the master is dead already.
// SIGTERM lets a worker's own handler run; SIGKILL also ends a stopped process.
void DieWithMaster(pid_t master, int signo);

// In a worker whose loop is about to run: the loop drains it when the master dies; if the process
// still lives `deadline` after that, it is killed. Uses the signal SIGRTMAX-1.
absl::Status GuardOrphan(absl::Duration deadline);

// The master's death is nothing to this worker any more (OnSupervisorExit::kKeep).
void OutliveMaster();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_ORPHAN_GUARD_H_
