#include "squall/process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"

extern char** environ;

namespace squall::internal {
namespace {

constexpr size_t kChildStack = 64 << 10;
constexpr int kLastSignal = 64;
constexpr size_t kSignalSetSize = kLastSignal / 8;  // The kernel's sigset_t, not glibc's.
// What execvp(3) uses without PATH.
constexpr const char kDefaultPath[] = "/bin:/usr/bin";

enum class Step { kProcessGroup, kDescriptors, kWorkingDirectory, kProgram };

// All that the child needs, and what it has to say. Plain arrays: the child calls the system alone.
struct Launch {
  char* const* candidates;  // Paths of the program, tried in their order; null at the end.
  char* const* argv;
  char* const* envp;
  const char* working_directory;  // Null: stay.
  int stdio[3];
  ProcessGroup process_group;

  Step step;
  int error;  // errno of `step` when it failed, else 0.
};

// The functions of the child run on a stack that the sanitizers know nothing of, and leave it by
// execve.
#define SQUALL_IN_CHILD ABSL_ATTRIBUTE_NO_SANITIZE_ADDRESS ABSL_ATTRIBUTE_NO_SANITIZE_THREAD

// Before a signal is unblocked, for no handler of the parent's may run in its memory. By system
// calls, because glibc keeps two signals to itself, and some parents leave them ignored.
SQUALL_IN_CHILD void ResetSignals() {
  struct KernelSigaction {  // As large as any; begins with the handler; all zeros is SIG_DFL.
    void* words[8];
  };
  const KernelSigaction defaults = {};
  KernelSigaction present = {};
  syscall(SYS_rt_sigaction, SIGHUP, nullptr, &present, kSignalSetSize);
  const bool nohup = present.words[0] == reinterpret_cast<void*>(SIG_IGN);
  for (int signo = 1; signo <= kLastSignal; ++signo) {
    if (signo == SIGHUP && nohup) continue;
    syscall(SYS_rt_sigaction, signo, &defaults, nullptr, kSignalSetSize);
  }
}

SQUALL_IN_CHILD bool EnterProcessGroup(ProcessGroup group) {
  switch (group) {
    case ProcessGroup::kInherit:
      return true;
    case ProcessGroup::kNew:
      return setpgid(0, 0) == 0;
    case ProcessGroup::kNewSession:
      return setsid() >= 0;
  }
  return true;
}

SQUALL_IN_CHILD void CloseOthers() {
  if (syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, 0) == 0) return;
  // A seccomp filter, or a kernel before 5.9.
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (rlim_t fd = STDERR_FILENO + 1; fd < limit.rlim_max && fd < (1 << 20); ++fd) {
    close(static_cast<int>(fd));
  }
}

SQUALL_IN_CHILD bool ArrangeDescriptors(int* stdio) {
  // Out of the way first: what goes to 0 may be at 1, and the other way round.
  for (int target = 0; target < 3; ++target) {
    if (stdio[target] == target || stdio[target] > STDERR_FILENO) continue;
    stdio[target] = fcntl(stdio[target], F_DUPFD, STDERR_FILENO + 1);
    if (stdio[target] < 0) return false;
  }
  for (int target = 0; target < 3; ++target) {
    // dup2 to itself would leave close-on-exec as it is.
    const int result =
        stdio[target] == target ? fcntl(target, F_SETFD, 0) : dup2(stdio[target], target);
    if (result < 0) return false;
  }
  CloseOthers();
  return true;
}

// Goes on after an error as execvpe(3) does, but has no shell run files of unknown format. Returns
// the error when none of the candidates runs.
SQUALL_IN_CHILD int RunProgram(const Launch& launch) {
  bool denied = false;
  for (char* const* path = launch.candidates; *path != nullptr; ++path) {
    // Not execve(3): coverage builds make more than a system call of that.
    syscall(SYS_execve, *path, launch.argv, launch.envp);
    switch (errno) {
      case EACCES:
        denied = true;
        break;
      case ENOENT:
      case ENOTDIR:
      case ESTALE:
      case ENODEV:
      case ETIMEDOUT:
        break;
      default:
        return errno;
    }
  }
  return denied ? EACCES : errno;
}

SQUALL_IN_CHILD int RunChild(void* argument) {
  Launch& launch = *static_cast<Launch*>(argument);
  ResetSignals();
  launch.step = Step::kProcessGroup;
  bool ok = EnterProcessGroup(launch.process_group);
  if (ok) {
    launch.step = Step::kDescriptors;
    ok = ArrangeDescriptors(launch.stdio);
  }
  if (ok && launch.working_directory != nullptr) {
    launch.step = Step::kWorkingDirectory;
    ok = chdir(launch.working_directory) == 0;
  }
  if (!ok) {
    launch.error = errno;
    _exit(127);
  }
  launch.step = Step::kProgram;
  const char nothing[kSignalSetSize] = {};
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, nothing, nullptr, kSignalSetSize);
  launch.error = RunProgram(launch);
  _exit(127);
}

// PATH as the program will see it.
std::string SearchPath(const SubprocessOptions& options) {
  if (!options.env.has_value()) {
    const char* const path = getenv("PATH");
    return path != nullptr ? path : kDefaultPath;
  }
  for (const std::string& variable : *options.env) {
    if (absl::StartsWith(variable, "PATH=")) return variable.substr(5);
  }
  return kDefaultPath;
}

bool HasSlash(const std::string& name) { return name.find('/') != std::string::npos; }

std::vector<std::string> Candidates(const SubprocessOptions& options) {
  const std::string& name = options.argv[0];
  if (HasSlash(name)) return {name};
  std::vector<std::string> candidates;
  for (const absl::string_view folder : absl::StrSplit(SearchPath(options), ':')) {
    // An empty element is the working directory, see environ(7).
    candidates.push_back(folder.empty() ? absl::StrCat("./", name)
                                        : absl::StrCat(folder, "/", name));
  }
  return candidates;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status Failure(const SubprocessOptions& options, const Launch& launch) {
  const std::string& name = options.argv[0];
  switch (launch.step) {
    case Step::kProcessGroup:
      return StatusFromErrno(launch.error, absl::StrCat("process group of \"", name, "\""));
    case Step::kDescriptors:
      return StatusFromErrno(launch.error, absl::StrCat("descriptors of \"", name, "\""));
    case Step::kWorkingDirectory:
      return StatusFromErrno(
          launch.error,
          absl::StrCat("working_directory \"", options.working_directory, "\" of \"", name, "\""));
    case Step::kProgram:
      return StatusFromErrno(launch.error,
                             HasSlash(name)
                                 ? absl::StrCat("running \"", name, "\"")
                                 : absl::StrCat("running \"", name, "\", looked up in PATH \"",
                                                SearchPath(options), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChildProcess> Spawn(const SubprocessOptions& options,
                                   const std::array<int, 3>& stdio) {
  const std::vector<std::string> paths = Candidates(options);
  const std::vector<char*> candidates = Pointers(paths);
  const std::vector<char*> argv = Pointers(options.argv);
  std::vector<char*> env;
  if (options.env.has_value()) env = Pointers(*options.env);
  Launch launch = {
      .candidates = candidates.data(),
      .argv = argv.data(),
      .envp = options.env.has_value() ? env.data() : environ,
      .working_directory =
          options.working_directory.empty() ? nullptr : options.working_directory.c_str(),
      .stdio = {stdio[0], stdio[1], stdio[2]},
      .process_group = options.process_group,
      .step = Step::kProcessGroup,
      .error = 0,
  };
  const auto stack = std::make_unique_for_overwrite<char[]>(kChildStack);

  // The child begins with this mask, so no handler runs in it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const pid_t pid = clone(RunChild, stack.get() + kChildStack,
                          CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &launch, &pidfd);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) {
    return StatusFromErrno(error, absl::StrCat("a process for \"", options.argv[0], "\""));
  }
  ChildProcess child{pid, UniqueFd(pidfd)};
  if (launch.error != 0) {
    WaitForDeath(child.pidfd, -1);
    Reap(child.pidfd);
    return Failure(options, launch);
  }
  return child;
}

}  // namespace squall::internal
