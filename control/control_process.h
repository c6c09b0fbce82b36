// The control plane of a pool as a process of its own: gRPC on a unix socket, beside the workers.
//
//   auto listener = squall::BindUnixSocket("/run/app/control.sock").value();
//   squall::ForkOptions options;
//   options.sidecar = squall::MakeControlSidecar({.listener = std::move(listener)});
//   squall::ForkProcesses(2, std::move(options)).value();
//
// The master owns the listener, so that the address stays while the control process is restarted,
// and forks it before anybody used gRPC. It reads the pool from the scoreboard and holds nothing
// else: kill -9 costs its clients their calls in flight and nobody else anything.
//
// A second listener, which nobody has to give, serves /metrics and the like over HTTP
// (status/status_options.h); it outlives the control process in the same way.
//
// Callers are known by SO_PEERCRED: the server's own user and root are admins, others have the role
// that ControlOptions::roles gives them. Who has none is closed at once, counted and logged. Over TCP
// callers are known by their certificate, see control_tls.h.
//
// The process has no capabilities, may become another user, and writes to no file.
#ifndef SQUALL_CONTROL_CONTROL_PROCESS_H_
#define SQUALL_CONTROL_CONTROL_PROCESS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "squall/control/control_limits.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_tls.h"
#include "squall/control/status/status_options.h"
#include "squall/netutil/sockets.h"
#include "squall/process/privilege_drop.h"
#include "squall/process/sidecar.h"

namespace squall {

struct ControlOptions {
  // A listening unix socket; other families are refused by CHECK, for they know no peer
  // credentials. Its file is removed when the master ends, if it still is the same file and was
  // not inherited.
  ListenSocket listener;
  // Who is let in, and as what.
  ControlRoles roles = {};
  ControlLimits limits = {};
  // Over TCP, too, with certificates.
  std::optional<ControlTls> tls = {};
  // Whom the process becomes, from ResolveControlUser(). Nothing: the master's user. Best one that
  // nothing else runs as, for processes of the same user may stop one another.
  std::optional<Identity> identity = {};
  // From BindStatusListener(status). Not valid: nothing is served over HTTP.
  ListenSocket status_listener = {};
  StatusOptions status = {};
};

// Looks up names or numbers. No group: the user's own. Nothing when `user` is empty or is the one of
// this process. In the master, before its loop. NOT_FOUND: no such user or group; PERMISSION_DENIED:
// this process may not become another user.
absl::StatusOr<std::optional<Identity>> ResolveControlUser(const std::string& user,
                                                           const std::string& group);

// For ForkOptions::sidecar. Starts nothing by itself and does not touch gRPC.
Sidecar MakeControlSidecar(ControlOptions options);

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_PROCESS_H_
