// What an operator may say about the control plane of a server. Plain structs; BindControlPlane() of
// control_plane.h makes it.
//
//   squall::ControlPlaneOptions options{.address = "unix:/run/app/control.sock",
//                                       .roles = {.operators = {"user:deploy"}}};
#ifndef SQUALL_CONTROL_CONTROL_PLANE_OPTIONS_H_
#define SQUALL_CONTROL_CONTROL_PLANE_OPTIONS_H_

#include <string>

#include "squall/control/control_limits.h"
#include "squall/control/control_roles.h"
#include "squall/control/control_socket.h"
#include "squall/control/status/status_options.h"
#include "squall/ioloop/tls_options.h"

namespace squall {

struct ControlTlsOptions {
  // "HOST:PORT", or ":PORT" for every interface. Empty: no TCP.
  std::string address = {};
  // PEM; see ControlTls.
  std::string certificate = {};
  std::string key = {};
  std::string client_ca = {};
  TlsVersion min_version = TlsVersion::kTls12;
};

struct ControlPlaneOptions {
  // "unix:/PATH". Empty: DefaultControlAddress(), in a directory of the owner's alone.
  std::string address = {};
  ControlSocketOptions socket = {};
  ControlRoleLists roles = {};
  // "USER" or "USER:GROUP", of the control process. Empty: this process' user.
  std::string user = {};
  ControlTlsOptions tls = {};
  ControlLimits limits = {};
  // /metrics and the like over HTTP; without an address nowhere.
  StatusOptions status = {};
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_PLANE_OPTIONS_H_
