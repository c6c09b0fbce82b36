// One more process that the master keeps alive beside its workers: forked from the clean master,
// restarted with back-off when it ends, told of nothing but its link. squall's control process is
// one; the package of it is control/.
//
//   squall::Sidecar sidecar;
//   sidecar.name = "control";
//   sidecar.fds.push_back(std::move(listener));  // the master owns it, the sidecar uses it
//   sidecar.main = [](squall::SidecarContext& context) {  // runs in the forked child
//     return Serve(context.fds[0], context.scoreboard, std::move(context.link));
//   };
//   squall::ForkProcesses(2, {.sidecar = std::move(sidecar)}).value();
//
// Whatever happens to the sidecar changes nothing for the workers.
#ifndef SQUALL_PROCESS_SIDECAR_H_
#define SQUALL_PROCESS_SIDECAR_H_

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/unique_fd.h"
#include "squall/process/event_log.h"
#include "squall/process/operation_board.h"
#include "squall/process/scoreboard.h"

namespace squall {

struct SidecarContext {
  // Read-only mapping of the pool's scoreboard; valid for the life of the process.
  const Scoreboard& scoreboard;
  // What operators asked the master for; likewise.
  const OperationBoard& operations;
  // What happened in the pool; likewise.
  const EventLog& events;
  // SOCK_SEQPACKET, non-blocking, packets of process/control_link.h. End of file means that the
  // master is gone; the sidecar is then expected to end at once.
  UniqueFd link;
  // The descriptors of Sidecar::fds in their order, borrowed: open for the life of the process.
  // Every other descriptor of the master but 0, 1 and 2 is closed.
  std::vector<int> fds;
};

struct Sidecar {
  // For log lines and /proc/PID/comm (cut to 15 bytes there).
  std::string name = "control";
  // Owned by the master, closed in workers.
  std::vector<UniqueFd> fds;
  // Runs in each incarnation of the sidecar; what it returns is the exit status. Signals have their
  // default dispositions there, but SIGPIPE is ignored and SIGINT is too, for ^C reaches the whole
  // process group and the master decides what it means.
  absl::AnyInvocable<int(SidecarContext&)> main;
  // Runs once in the master right before it ends, e.g. to unlink a socket file. May be null.
  absl::AnyInvocable<void()> at_exit;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SIDECAR_H_
