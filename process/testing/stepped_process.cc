#include "squall/process/testing/stepped_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"

namespace squall {
namespace {

constexpr int kNotPermitted = 77;

}  // namespace

absl::StatusOr<SteppedProcess> SteppedProcess::Start(absl::FunctionRef<void()> work) {
  const pid_t pid = fork();
  if (pid < 0) return StatusFromErrno(errno, "fork of a process to step through");
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kNotPermitted);
    raise(SIGSTOP);
    work();
    _exit(0);
  }
  int status = 0;
  PCHECK(waitpid(pid, &status, 0) == pid) << "waitpid";
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermitted) {
    return absl::PermissionDeniedError("ptrace is not permitted here");
  }
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) << status;
  return SteppedProcess(pid);
}

bool SteppedProcess::Step() {
  if (pid_ == 0) return false;
  PCHECK(ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) == 0) << "ptrace";
  int status = 0;
  PCHECK(waitpid(pid_, &status, 0) == pid_) << "waitpid";
  if (WIFSTOPPED(status)) {
    CHECK(WSTOPSIG(status) == SIGTRAP) << "signal " << WSTOPSIG(status);
    return true;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  pid_ = 0;
  return false;
}

void SteppedProcess::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  PCHECK(waitpid(pid_, &status, 0) == pid_) << "waitpid";
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  pid_ = 0;
}

}  // namespace squall
