// `squallctl status --watch`.
#ifndef SQUALL_CONTROL_SQUALLCTL_WATCH_SCREEN_H_
#define SQUALL_CONTROL_SQUALLCTL_WATCH_SCREEN_H_

#include "absl/status/status.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

// Shows the pool until the server is gone; then returns why. On a terminal each picture is drawn
// over the last one, line by line, so that nothing flickers and what was there before stays in the
// scrollback; elsewhere pictures follow one another. With --output=json each is one line.
// SIGINT and SIGTERM end the process with status 0, the cursor where it belongs. A control process
// that is restarted is waited for.
absl::Status WatchOnScreen(ControlClient& client, const CommandLine& line, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_WATCH_SCREEN_H_
