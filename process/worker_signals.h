// Internal: what signals mean in a worker, beside the master's own signals, which reach its children
// too when they are sent to the whole process group or control group (^C, a closed terminal, systemd's
// default KillMode, timeout(1)).
//
//   HUP USR1 USR2 TTIN TTOU QUIT  nothing: they are the master's
//   TERM                          of the master: ends the worker at once, for its grace is over;
//                                 of others: the first one drains, the second ends it at once
//   INT and all others            as in any program
#ifndef SQUALL_PROCESS_WORKER_SIGNALS_H_
#define SQUALL_PROCESS_WORKER_SIGNALS_H_

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

// In a fresh child of the master. Handlers and not SIG_IGN, which programs that it starts would
// inherit.
void IgnoreMastersSignals();

// When the worker's loop is about to run. The returned descriptor becomes readable with the first
// TERM that does not come from `master`.
absl::StatusOr<UniqueFd> CatchFirstTerm(pid_t master);

// Ends this process by SIGTERM, as if it had never been caught.
[[noreturn]] void DieOfTerm();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_WORKER_SIGNALS_H_
