// Internal: fork, death and signals of a child by pidfd, so that no pid is ever reused under us and
// no other code's children are reaped.
#ifndef SQUALL_PROCESS_CHILD_PROCESS_H_
#define SQUALL_PROCESS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/process/exit_status.h"

namespace squall::internal {

struct ChildProcess {
  pid_t pid = 0;  // 0: this process is the child
  UniqueFd pidfd;
};

// Forks. Returns in both processes; in the child with pid 0 and no pidfd. Fails, with nothing
// forked, when this process has more than one thread or the system refuses (EAGAIN, ENOMEM,
// EMFILE).
absl::StatusOr<ChildProcess> Fork();

// For people: why there is no new process, from what Fork or the making of its channel returned. With
// EMFILE it names the limit.
std::string WhyNotStarted(const absl::Status& status);

// Takes the exit status of a child that ended; nothing while it lives; 255 when other code took the
// status first. waitid(P_PIDFD), never wait(-1). Never blocks.
std::optional<ExitStatus> Reap(const UniqueFd& pidfd);

// pidfd_send_signal. False when the child is gone already.
bool Signal(const UniqueFd& pidfd, int signo);

// Waits for the death of a child, at most `milliseconds`; false if it still lives.
bool WaitForDeath(const UniqueFd& pidfd, int milliseconds);

// Sends SIGKILL, waits a second at most, and takes the status. A child that has only just begun is
// dead in milliseconds; nothing when it is not (frozen, or its memory swapped out): then it stays a
// zombie until this process ends.
std::optional<ExitStatus> KillAndReap(const UniqueFd& pidfd);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_CHILD_PROCESS_H_
