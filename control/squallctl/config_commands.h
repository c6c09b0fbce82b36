// squallctl config and squallctl update.
//
//   case Verb::kUpdate:
//     return UpdateConfig(client, line, console);
#ifndef SQUALL_CONTROL_SQUALLCTL_CONFIG_COMMANDS_H_
#define SQUALL_CONTROL_SQUALLCTL_CONFIG_COMMANDS_H_

#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

ExitCode ShowConfig(ControlClient& client, const CommandLine& line, Console& console);
ExitCode UpdateConfig(ControlClient& client, const CommandLine& line, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_CONFIG_COMMANDS_H_
