// The command line of //:server: every option of its configuration file as a flag.
//
//   squall::ParseFlagsOrExit(argc, argv, kUsage);
//   RETURN_IF_ERROR(SetFromFlags(config));   // What was given wins over the file.
#ifndef SQUALL_EXAMPLES_SERVER_SERVER_FLAGS_H_
#define SQUALL_EXAMPLES_SERVER_SERVER_FLAGS_H_

#include <string>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "squall/control/config/server_config.h"

ABSL_DECLARE_FLAG(std::string, config);
ABSL_DECLARE_FLAG(bool, check_config);

// The flag of an option: "restart_max_surge" for "restart.max_surge".
std::string FlagName(const std::string& option);

// What was given on the command line, in the place of what `config` has. --port and --address say
// where to listen, too. INVALID_ARGUMENT: they say so beside --listen, or the port is none.
absl::Status SetFromFlags(squall::ServerConfig& config);

#endif  // SQUALL_EXAMPLES_SERVER_SERVER_FLAGS_H_
