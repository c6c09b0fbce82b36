// `squallctl top`.
#ifndef SQUALL_CONTROL_SQUALLCTL_TOP_H_
#define SQUALL_CONTROL_SQUALLCTL_TOP_H_

#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

// Shows the busiest workers on the whole terminal until q, ^C or SIGTERM (then the process ends with
// status 0), or until the server is gone (then says so). s sorts by the next column.
ExitCode Top(ControlClient& client, const CommandLine& line, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_TOP_H_
