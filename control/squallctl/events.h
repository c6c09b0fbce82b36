// `squallctl events`: what happened in the pool, and with --follow what happens.
#ifndef SQUALL_CONTROL_SQUALLCTL_EVENTS_H_
#define SQUALL_CONTROL_SQUALLCTL_EVENTS_H_

#include <string>

#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// When following it goes on over the lives of the control process, each event once, and over a
// restart of the server that comes back at once.
ExitCode Events(ControlClient& client, const CommandLine& line, Console& console);

// "2026-12-01 03:11:05.123     17  worker-died               3  worker 3 (pid 4711) was …"
std::string EventLine(const control::v1::Event& event, bool color);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_EVENTS_H_
