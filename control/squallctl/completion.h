// Scripts with which shells complete squallctl's command line, made of the tables that the parser
// reads: there is no second list that could go stale.
#ifndef SQUALL_CONTROL_SQUALLCTL_COMPLETION_H_
#define SQUALL_CONTROL_SQUALLCTL_COMPLETION_H_

#include <string>

#include "squall/control/squallctl/command_line.h"

namespace squall::internal {

// A whole script, to be sourced or put where the shell looks for completions. It needs nothing but
// the shell (no bash-completion), and does not run squallctl.
std::string CompletionScript(Shell shell);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_COMPLETION_H_
