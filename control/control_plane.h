// The whole control plane of a server out of what its operator said: who may come, how, and as whom the
// control process runs.
//
//   squall::ControlPlaneOptions options;
//   options.address = "unix:/run/app/control.sock";
//   options.socket = {.mode = 0660, .group = "ops"};
//   options.roles.operators = {"group:ops"};
//   options.user = "app-control";
//   absl::StatusOr<squall::ControlPlane> plane = squall::BindControlPlane(options);
//   if (!plane.ok()) return plane.status();
//   fork_options.sidecar = std::move(plane->sidecar);
//
// Errors are one sentence that names the option as a configuration file does: "control_user",
// "control_tls.certificate".
#ifndef SQUALL_CONTROL_CONTROL_PLANE_H_
#define SQUALL_CONTROL_CONTROL_PLANE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/control/control_plane_options.h"
#include "squall/netutil/address.h"
#include "squall/process/sidecar.h"

namespace squall {

struct ControlPlane {
  Sidecar sidecar;  // For ForkOptions::sidecar.
  std::string address;
  std::vector<SocketAddress> tls_addresses;
  SocketAddress status_address;  // Unspecified: none.
  // Files of sockets that were bound here. The master removes them at its end; whoever does not get as
  // far as a master has to.
  std::vector<std::string> socket_files;
};

// All that can be known before binding: names, users, files, and whether those who have a role can get
// to the socket. Looks names up and forks for a moment: before the loop, in a process with one thread.
absl::Status CheckControlPlane(const ControlPlaneOptions& options);

// The same, and binds.
absl::StatusOr<ControlPlane> BindControlPlane(const ControlPlaneOptions& options);

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_PLANE_H_
