// Where the status listener is: /metrics, /healthz, /readyz and the status page over HTTP.
//
//   const squall::StatusOptions status{.address = "127.0.0.1:9090"};
//   ASSIGN_OR_RETURN(squall::ListenSocket listener, squall::BindStatusListener(status));
//   options.sidecar = squall::MakeControlSidecar({.listener = std::move(control),
//                                                 .status_listener = std::move(listener),
//                                                 .status = status});
//
// It shows what the role viewer may see, to everybody who can connect: there is neither a password
// nor TLS. So it is on loopback or a unix socket unless `allow_remote` says otherwise.
#ifndef SQUALL_CONTROL_STATUS_STATUS_OPTIONS_H_
#define SQUALL_CONTROL_STATUS_STATUS_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/netutil/sockets.h"

namespace squall {

struct StatusOptions {
  // "127.0.0.1:9090", "[::1]:9090", "localhost:9090" (which is 127.0.0.1) or "unix:/PATH", whose mode
  // is 0600. Port 0 takes any. Empty: no listener.
  std::string address = {};
  // `address` may be one that other machines reach.
  bool allow_remote = false;
  // Names under which it may be asked, in lower case and without a port. Requests for another Host
  // are refused, so that no page in a browser reads it under a name of its own (DNS rebinding).
  // "localhost" and loopback addresses always may, with allow_remote every address may.
  std::vector<std::string> hosts = {};
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what
// would be right.
absl::Status Validate(const StatusOptions& options);

// Before the fork, in the master-to-be. Errors: those of Validate(), and of BindSockets() or
// BindUnixSocket(); INVALID_ARGUMENT when the address is empty.
absl::StatusOr<ListenSocket> BindStatusListener(const StatusOptions& options);

}  // namespace squall

#endif  // SQUALL_CONTROL_STATUS_STATUS_OPTIONS_H_
