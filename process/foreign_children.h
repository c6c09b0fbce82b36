// Reaping of children that nobody here has started: the orphans of other processes, which the
// kernel gives to the first process of a container and to subreapers (PR_SET_CHILD_SUBREAPER).
//
//   if (IsReaper()) ... // watch SIGCHLD, and at each one:
//   ReapForeignChildren([&](pid_t pid) { return workers.contains(pid) || pid == sidecar; });
//
// Unreaped, each stays a zombie until the table of processes is full. wait(-1) is no way to do it:
// it takes the status of whoever is first, a worker's as well.
#ifndef SQUALL_PROCESS_FOREIGN_CHILDREN_H_
#define SQUALL_PROCESS_FOREIGN_CHILDREN_H_

#include <sys/types.h>

#include "absl/functional/function_ref.h"

namespace squall {

// Does this process get the orphans of others? True for the first process of a pid namespace and
// for a subreaper.
bool IsReaper();

// Reaps all children that have ended and are not `known`; returns how many. The known ones keep
// their exit status for whoever waits for them, also when they ended earlier. Never blocks.
//
// `known` has to say true for every child of this process that somebody waits for: workers, the
// sidecar, subprocesses. For a process with one thread, whose children are in the list of that
// thread. Where the kernel has no such list (CONFIG_PROC_CHILDREN), a known child that has ended is
// in the way of the others until it is reaped.
int ReapForeignChildren(absl::FunctionRef<bool(pid_t)> known);

}  // namespace squall

#endif  // SQUALL_PROCESS_FOREIGN_CHILDREN_H_
