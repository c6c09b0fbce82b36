// The unix socket for operators, with the permissions that let its callers connect.
//
//   auto listener = squall::BindControlSocket(
//       "/run/app/control.sock", {.mode = 0660, .group = "ops"});
//
// Permissions say who may try; the role says who is let in (control_roles.h).
#ifndef SQUALL_CONTROL_CONTROL_SOCKET_H_
#define SQUALL_CONTROL_CONTROL_SOCKET_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/netutil/sockets.h"

namespace squall {

struct ControlSocketOptions {
  // Who may write may connect.
  mode_t mode = 0600;
  // Name or number of the file's group. Empty: the one of this process.
  std::string group = {};
};

// BindUnixSocket(), and then the file is `group`'s before it grants anything to a group. A socket of a
// service manager keeps the group and the mode that it has. Looks the group up: before the loop.
// NOT_FOUND: no such group; PERMISSION_DENIED: this process may not give files to it; else as
// BindUnixSocket().
absl::StatusOr<ListenSocket> BindControlSocket(std::string_view path,
                                               const ControlSocketOptions& options = {});

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_SOCKET_H_
