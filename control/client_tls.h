// What a client shows to a control plane over TLS, and whom it trusts: PEM files. A plain struct.
//
//   squall::ControlClient client("tls:host:8443", {.tls = {.ca_file = "ca.pem",
//                                                          .certificate_file = "me.pem",
//                                                          .key_file = "me.key"}});
#ifndef SQUALL_CONTROL_CLIENT_TLS_H_
#define SQUALL_CONTROL_CLIENT_TLS_H_

#include <string>

namespace squall {

struct ClientTls {
  // The roots that may sign the server.
  std::string ca_file = {};
  // The certificate, then those that lead from it to a root of the server's, and its private key.
  std::string certificate_file = {};
  std::string key_file = {};
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CLIENT_TLS_H_
