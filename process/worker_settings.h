// What a worker's process is to be like: its CPUs, priority, limits, user, directory.
//
//   // In the master, before the first fork: the one place where an error is told in good time.
//   ASSIGN_OR_RETURN(ResolvedWorkerSettings settings,
//                    Validate(WorkerSettings{.cpu_affinity = CpuAffinity::kOnePerWorker,
//                                            .limits = {{.resource = "nofile", .soft = 65536}},
//                                            .user = "www-data",
//                                            .working_directory = "/srv/app"}));
//   // In each freshly forked worker.
//   if (absl::Status applied = Apply(settings, task_id); !applied.ok()) {
//     LOG(ERROR) << "worker settings: " << applied.message();
//     _exit(1);   // before READY: a boot failure
//   }
//
// The master keeps its user, so that it can bind, reopen logs and start workers for ever; a worker
// drops its own after the fork, when the sockets are bound, as nginx's do.
//
// For whoever calls Apply: a change of user makes the kernel forget two things (prctl(2)).
//  - PR_SET_PDEATHSIG, the signal at the master's death, is cleared: set it after Apply.
//  - The process is no longer dumpable: no core, no debugger of the same user, and its files in
//    /proc belong to root. It stays so, for a worker's memory may hold what only root could read (a
//    private key); prctl(PR_SET_DUMPABLE, 1) after Apply undoes it for those who want cores.
// Open descriptors stay open, with the rights they were opened with.
#ifndef SQUALL_PROCESS_WORKER_SETTINGS_H_
#define SQUALL_PROCESS_WORKER_SETTINGS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/process/privilege_drop.h"
#include "squall/process/resource_limits.h"

namespace squall {

enum class CpuAffinity {
  kInherited,     // All CPUs that the master may use.
  kOnePerWorker,  // Worker i runs on the i-th of these CPUs, round robin.
  kListed,        // Worker i runs on the i-th of `cpu_sets`, round robin.
};

// What is left out stays as it is in the master.
struct WorkerSettings {
  CpuAffinity cpu_affinity = CpuAffinity::kInherited;
  // With kListed alone: {{0, 1}, {2, 3}} gives even workers the CPUs 0 and 1, odd ones 2 and 3.
  std::vector<std::vector<int>> cpu_sets = {};
  // -20 (first served) … 19.
  std::optional<int> nice = {};
  // -1000 (never killed) … 1000 (killed first), see proc(5). Above the master's, so that memory
  // that runs out costs a worker and not the pool.
  std::optional<int> oom_score_adj = {};
  std::vector<ResourceLimit> limits = {};
  // Name or number. Empty: the master's user. With the user come its group, unless `group` says
  // another one, its supplementary groups, and the end of all capabilities.
  std::string user = {};
  std::string group = {};
  // Which permissions files that a worker creates do not get, at most 0777.
  std::optional<mode_t> umask = {};
  // Entered as the worker's user. Empty: the master's directory.
  std::string working_directory = {};
  // No program that a worker starts can gain privileges (set-user-ID programs do not work); see
  // PR_SET_NO_NEW_PRIVS in prctl(2).
  bool no_new_privs = false;
};

// Settings that were found valid: names looked up, limits completed. For Apply.
struct ResolvedWorkerSettings {
  std::vector<std::vector<int>> cpu_sets = {};  // Empty: the CPUs of the master.
  std::optional<int> nice = {};
  std::optional<int> oom_score_adj = {};
  std::vector<ResolvedLimit> limits = {};
  std::optional<Identity> identity = {};  // Nothing: no change of user or group.
  std::optional<mode_t> umask = {};
  std::string working_directory = {};
  bool no_new_privs = false;
};

// Looks everything up and checks it against the calling process, of which the workers are copies.
// In the master, before any fork and before its loop runs: name services may block. Errors are one
// sentence that names the setting and its value: INVALID_ARGUMENT, NOT_FOUND (user, group,
// directory), PERMISSION_DENIED (what this process may not do).
absl::StatusOr<ResolvedWorkerSettings> Validate(const WorkerSettings& settings);

// Makes the calling process, a freshly forked worker with one thread, what `settings` say; no name
// service is asked. In this order:
//
//   1. umask, CPUs, nice, oom_score_adj, limits: some need the privileges that go next, and limits
//      come last of them, for a low one may be in the way of the others.
//   2. Supplementary groups, group, user, capabilities; then it is tried in vain to become root.
//   3. The working directory: entered as the user, so that one which it may not enter is found out
//      here and not at its first file.
//   4. no_new_privs.
//
// The error names the setting. After an error the process must exit: it may be half way.
absl::Status Apply(const ResolvedWorkerSettings& settings, int task_id);

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_SETTINGS_H_
