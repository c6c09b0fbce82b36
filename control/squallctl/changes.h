// squallctl's commands that change something, and those about operations.
#ifndef SQUALL_CONTROL_SQUALLCTL_CHANGES_H_
#define SQUALL_CONTROL_SQUALLCTL_CHANGES_H_

#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

ExitCode Resize(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Restart(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Drain(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Kill(ControlClient& client, const CommandLine& line, Console& console);
ExitCode ResetBreaker(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Wait(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Cancel(ControlClient& client, const CommandLine& line, Console& console);
ExitCode Shutdown(ControlClient& client, const CommandLine& line, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_CHANGES_H_
