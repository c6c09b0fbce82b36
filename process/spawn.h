// Internal: a program in a new process, started from a process that may have threads.
//
// The child shares this process's memory until the program runs, as after vfork(2): it makes system
// calls and nothing else, so no lock of another thread matters, the size of this process costs
// nothing, and what goes wrong before the program runs is known here without a pipe.
#ifndef SQUALL_PROCESS_SPAWN_H_
#define SQUALL_PROCESS_SPAWN_H_

#include <array>

#include "absl/status/statusor.h"
#include "squall/process/child_process.h"
#include "squall/process/subprocess_options.h"

namespace squall::internal {

// Starts options.argv with `stdio` as its descriptors 0, 1 and 2 (options.stdin and its brothers
// are not looked at) and no others. All signals have their default dispositions in it, but an
// ignored SIGHUP stays so (nohup), and none is blocked. Blocks this thread until the program runs,
// which takes as long as the file system does.
//
// Errors, with no process left: what StatusFromErrno makes of clone (EAGAIN: too many processes,
// EMFILE, ENOMEM), chdir and execve (ENOENT, EACCES, ENOEXEC, ...); it names the program.
absl::StatusOr<ChildProcess> Spawn(const SubprocessOptions& options,
                                   const std::array<int, 3>& stdio);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SPAWN_H_
