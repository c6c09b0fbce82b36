// The control plane over TCP: only with TLS, and only for clients whose certificate has a role.
//
//   squall::ControlTls tls;
//   tls.listeners = squall::BindSockets(8443, {.address = "127.0.0.1"}).value();
//   tls.certificate_file = "/etc/app/control.pem";
//   tls.private_key_file = "/etc/app/control.key";
//   tls.client_ca_file = "/etc/app/operators.pem";
//   if (absl::Status readable = squall::CheckControlTls(tls, identity); !readable.ok()) …
//
// TLS 1.2 at least, HTTP/2 by ALPN. A client without a certificate that leads to `client_ca_file` does
// not get through the handshake; one whose names have no role (control_roles.h) is closed right after
// it, before an octet of HTTP/2 is read. There is no TCP without TLS.
//
// The files are read by the control process, as its user, when it starts and when they have changed,
// which it looks for every few seconds and whenever the pool changes, as it does at SIGHUP. Connections
// that exist stay; new ones get the new certificate and are held to the new roots. Files with a mistake
// change nothing, and the log says why.
#ifndef SQUALL_CONTROL_CONTROL_TLS_H_
#define SQUALL_CONTROL_CONTROL_TLS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "squall/ioloop/tls_options.h"
#include "squall/netutil/sockets.h"
#include "squall/process/privilege_drop.h"

namespace squall {

struct ControlTls {
  // TCP. The master's, as the unix socket is.
  std::vector<ListenSocket> listeners = {};
  // PEM.
  std::string certificate_file = {};
  std::string private_key_file = {};
  // The roots that may sign clients.
  std::string client_ca_file = {};
  TlsVersion min_version = TlsVersion::kTls12;
};

// Can the files be used, by a process that has become `identity`? The sentence is that of
// TlsServerContext::Create. Forks to find out, so in a process with one thread, before its loop.
absl::Status CheckControlTls(const ControlTls& tls, const std::optional<Identity>& identity);

namespace internal {

TlsServerOptions ToTlsServerOptions(const ControlTls& tls);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_TLS_H_
