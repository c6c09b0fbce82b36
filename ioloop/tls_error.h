// OpenSSL's queue of errors in words. Internal to ioloop's TLS.
//
//   if (::SSL_CTX_set_cipher_list(ctx, list) != 1) return Refuse(internal::TakeTlsErrors());
//
// The queue is the thread's. Whoever calls OpenSSL empties it before, or an old error is taken for a
// new one.
#ifndef SQUALL_IOLOOP_TLS_ERROR_H_
#define SQUALL_IOLOOP_TLS_ERROR_H_

#include <openssl/x509.h>

#include <string>

#include "absl/status/status.h"

namespace squall::internal {

// The reasons that are queued, the first cause first, such as "no shared cipher"; empties the queue.
// "no reason given" if it was empty.
std::string TakeTlsErrors();

// Why the last call failed with SSL_ERROR_SSL, in a sentence, as ABORTED. Empties the queue.
absl::Status TlsFailure();

// UNAUTHENTICATED for what OpenSSL's verification found, `error` (X509_STORE_CTX_get_error(3)), at
// `certificate`, which may be null. `server_name` is what a client wanted.
absl::Status CertificateFailure(int error, const X509* certificate, bool of_client,
                                const std::string& server_name);

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_ERROR_H_
