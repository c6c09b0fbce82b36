// squallctl without main(): one command from its arguments to its exit status.
#ifndef SQUALL_CONTROL_SQUALLCTL_SQUALLCTL_H_
#define SQUALL_CONTROL_SQUALLCTL_SQUALLCTL_H_

#include <string_view>
#include <vector>

#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

// `args` without the program's name. Reads SQUALL_CONTROL and the environment that
// DefaultControlAddress() reads. `status --watch` returns only when the server is gone.
ExitCode RunSquallctl(const std::vector<std::string_view>& args, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_SQUALLCTL_H_
