// Internal: a client's channel to a control plane over TLS.
//
//   absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = internal::OpenTlsChannel(
//       "tls:host:8443", {.ca_file = "ca.pem", .certificate_file = "me.pem", .key_file = "me.key"});
//
// Reads the files now and connects with the first call. The server's certificate has to be for the host
// of the address, and lead to a root of `ca_file`.
#ifndef SQUALL_CONTROL_TLS_CHANNEL_H_
#define SQUALL_CONTROL_TLS_CHANNEL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "squall/control/client_tls.h"

namespace squall::internal {

// "tls:…"
bool IsTlsAddress(std::string_view address);

// INVALID_ARGUMENT for an address that is not "tls:HOST:PORT", a file that is not named, or files that
// are no certificate and key that fit; what open(2) said of one that cannot be read. Each is one
// sentence.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenTlsChannel(const std::string& address,
                                                              const ClientTls& files);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_TLS_CHANNEL_H_
