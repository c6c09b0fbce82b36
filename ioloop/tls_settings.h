// What the contexts of servers and clients have in common. Internal to ioloop's TLS.
#ifndef SQUALL_IOLOOP_TLS_SETTINGS_H_
#define SQUALL_IOLOOP_TLS_SETTINGS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_certificate.h"
#include "squall/ioloop/tls_options.h"

namespace squall::internal {

// A context of `method` with `options`, and the modes that TlsTransport needs. INVALID_ARGUMENT
// naming the option that OpenSSL does not know.
absl::StatusOr<SslCtxPtr> MakeSslCtx(const SSL_METHOD* method, const TlsProtocolOptions& options);

// The names as ALPN has them on the wire (RFC 7301 3.1), each behind its length. INVALID_ARGUMENT
// for a name that is empty or longer than 255 octets.
absl::StatusOr<std::string> AlpnList(const std::vector<std::string>& names);

// The pair becomes one of the context's. `file` names it in the error.
absl::Status UseKeyPair(SSL_CTX* ctx, const LoadedKeyPair& pair, const std::string& file);

// The chain in OpenSSL's form. The certificates stay the pair's: only the stack is the caller's.
struct X509StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using X509StackPtr = std::unique_ptr<STACK_OF(X509), X509StackFree>;
X509StackPtr ChainOf(const LoadedKeyPair& pair);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_SETTINGS_H_
