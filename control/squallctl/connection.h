// How squallctl reaches the server: address, certificates, whom it trusts, out of flags and environment.
//
//   absl::StatusOr<Connection> connection = ConnectionOf(line);
//   if (!connection.ok()) …  // a user that there is not
//   ControlClient client(connection->address, connection->options);
#ifndef SQUALL_CONTROL_SQUALLCTL_CONNECTION_H_
#define SQUALL_CONTROL_SQUALLCTL_CONNECTION_H_

#include <string>

#include "absl/status/statusor.h"
#include "squall/control/client.h"
#include "squall/control/squallctl/command_line.h"

namespace squall::internal {

struct Connection {
  std::string address;
  ControlClientOptions options;
};

// Flags, else the environment: SQUALL_CONTROL, SQUALL_TLS_CA, SQUALL_TLS_CERT and SQUALL_TLS_KEY, else
// DefaultControlAddress(). NOT_FOUND: --server-user names no user of this system.
absl::StatusOr<Connection> ConnectionOf(const CommandLine& line);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_CONNECTION_H_
