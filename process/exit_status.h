// How a process ended, and the words for it.
//
//   siginfo_t info{};
//   waitid(P_PIDFD, pidfd, &info, WEXITED);
//   ExitStatus status = ExitStatus::FromSiginfo(info);
//   LOG(WARNING) << "worker " << status.ToString();  // "killed by signal 9 (SIGKILL)"
#ifndef SQUALL_PROCESS_EXIT_STATUS_H_
#define SQUALL_PROCESS_EXIT_STATUS_H_

#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace squall {

struct ExitStatus {
  int code = 0;              // The exit status; meaningful when `signal` is 0.
  int signal = 0;            // The signal that ended the process, 0 when it exited by itself.
  bool core_dumped = false;  // A core was written (only with a signal).

  static ExitStatus Exited(int code) { return {.code = code}; }
  static ExitStatus Killed(int signal, bool core_dumped = false) {
    return {.signal = signal, .core_dumped = core_dumped};
  }

  // From what waitid(2) filled in; si_code is one of CLD_EXITED, CLD_KILLED, CLD_DUMPED.
  static ExitStatus FromSiginfo(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return Exited(info.si_status);
    return Killed(info.si_status, info.si_code == CLD_DUMPED);
  }

  // From the status word of wait(2), waitpid(2), wait4(2).
  static ExitStatus FromWaitStatus(int status) {
    if (WIFSIGNALED(status)) return Killed(WTERMSIG(status), WCOREDUMP(status));
    return Exited(WEXITSTATUS(status));
  }

  // Did the process end by itself with status 0?
  bool success() const { return signal == 0 && code == 0; }

  // Completes "worker 3 (pid 4711) was …/has …": "exited with status 3",
  // "killed by signal 11 (SIGSEGV, core dumped)".
  std::string ToString() const {
    if (signal == 0) return absl::StrCat("exited with status ", code);
    const char* name = sigabbrev_np(signal);
    return absl::StrCat("killed by signal ", signal, " (",
                        name != nullptr ? absl::StrCat("SIG", name) : std::string("unknown"),
                        core_dumped ? ", core dumped)" : ")");
  }

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_EXIT_STATUS_H_
