#include "squall/process/child_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/process/threads.h"

// Debian 12's glibc has the value only under a newer name space of headers.
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace squall::internal {

namespace {

// Not 0: what is not known to have ended well is replaced.
constexpr int kUnknownStatus = 255;

// For the death of a process that was sent SIGKILL.
constexpr int kDeathMilliseconds = 1000;

}  // namespace

absl::StatusOr<ChildProcess> Fork() {
  RETURN_IF_ERROR(CheckSingleThreaded());
  // Held until pidfd_open, so that a full descriptor table is found out before there is a child.
  UniqueFd reserve(eventfd(0, EFD_CLOEXEC));
  if (!reserve.valid()) return StatusFromErrno(errno, "no descriptor left for a child's pidfd");
  // What stands in the buffers now would be written by both processes.
  fflush(stdout);
  fflush(stderr);
  const pid_t pid = fork();
  if (pid < 0) return StatusFromErrno(errno, "fork");
  if (pid == 0) return ChildProcess{};
  reserve.reset();
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const int error = errno;
    // Not reaped yet, so the pid is still this child's.
    kill(pid, SIGKILL);
    for (int i = 0; i < kDeathMilliseconds && waitpid(pid, nullptr, WNOHANG) == 0; ++i) {
      usleep(1000);
    }
    return StatusFromErrno(error, "pidfd_open");
  }
  return ChildProcess{pid, std::move(pidfd)};
}

std::string WhyNotStarted(const absl::Status& status) {
  std::string text(status.message());
  rlimit limit;
  if (ErrnoFromStatus(status) == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    absl::StrAppend(&text, " (RLIMIT_NOFILE lets this process have ", limit.rlim_cur,
                    " descriptors)");
  }
  return text;
}

std::optional<ExitStatus> Reap(const UniqueFd& pidfd) {
  siginfo_t info = {};
  int result;
  do {
    result = waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info,
                    WEXITED | WNOHANG);
  } while (result < 0 && errno == EINTR);
  // Somebody else's wait(-1) took the status; the death is one all the same.
  if (result != 0 && errno == ECHILD) return ExitStatus::Exited(kUnknownStatus);
  if (result != 0 || info.si_pid == 0) return std::nullopt;
  return ExitStatus::FromSiginfo(info);
}

bool Signal(const UniqueFd& pidfd, int signo) {
  return syscall(SYS_pidfd_send_signal, pidfd.get(), signo, nullptr, 0) == 0;
}

bool WaitForDeath(const UniqueFd& pidfd, int milliseconds) {
  pollfd poll_fd = {.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&poll_fd, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

std::optional<ExitStatus> KillAndReap(const UniqueFd& pidfd) {
  Signal(pidfd, SIGKILL);
  WaitForDeath(pidfd, kDeathMilliseconds);
  return Reap(pidfd);
}

}  // namespace squall::internal
