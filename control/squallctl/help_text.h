// What `squallctl help` prints, put together from the tables of commands and flags.
#ifndef SQUALL_CONTROL_SQUALLCTL_HELP_TEXT_H_
#define SQUALL_CONTROL_SQUALLCTL_HELP_TEXT_H_

#include <optional>
#include <string>

#include "squall/control/squallctl/verb.h"

namespace squall::internal {

// All commands, or one of them with its flags. Lines of at most 80 columns, with the last newline.
std::string HelpText(std::optional<Verb> verb);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_HELP_TEXT_H_
