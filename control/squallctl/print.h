// How squallctl prints what it got, and what went wrong.
#ifndef SQUALL_CONTROL_SQUALLCTL_PRINT_H_
#define SQUALL_CONTROL_SQUALLCTL_PRINT_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "squall/control/squallctl/command_line.h"
#include "squall/control/squallctl/console.h"

namespace squall::internal {

// As JSON or YAML, the .proto's names in camel case, fields without a value too.
void PrintMessage(const google::protobuf::Message& message, OutputFormat format, Console& console);

// One line on console.err: what went wrong, and what to do about it where that is known.
ExitCode Fail(const absl::Status& status, Console& console);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_PRINT_H_
