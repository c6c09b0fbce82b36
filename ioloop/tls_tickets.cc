#include "squall/ioloop/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/time/time.h"

namespace squall::internal {
namespace {

// Fetched once: to look for it costs more than to use it.
const EVP_CIPHER* Aes256Cbc() {
  static EVP_CIPHER* const cipher = ::EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

bool Prepare(const TlsTicketKeys::Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, bool encrypt) {
  static char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      ::OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
                                          const_cast<unsigned char*>(key.authentication.data()),
                                          key.authentication.size()),
      ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_end(),
  };
  return ::EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
         ::EVP_CipherInit_ex2(cipher, Aes256Cbc(), key.encryption.data(), iv, encrypt ? 1 : 0,
                              nullptr) == 1;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3). 1: done, 2: done, and the client is to get a new ticket,
// 0: no such key, so a full handshake, -1: an error.
int OnTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                EVP_MAC_CTX* mac, int encrypt) {
  auto* const keys = static_cast<TlsTicketKeys*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)));
  if (encrypt != 0) {
    TlsTicketKeys::Key key = keys->Current();
    std::copy(key.name.begin(), key.name.end(), name);
    const bool done = ::RAND_bytes(iv, ::EVP_CIPHER_get_iv_length(Aes256Cbc())) == 1 &&
                      Prepare(key, iv, cipher, mac, true);
    ::OPENSSL_cleanse(&key, sizeof key);
    return done ? 1 : -1;
  }
  std::optional<TlsTicketKeys::Found> found = keys->Find(name);
  if (!found) return 0;
  const bool done = Prepare(found->key, iv, cipher, mac, false);
  ::OPENSSL_cleanse(&found->key, sizeof found->key);
  if (!done) return -1;
  // With TLS 1.3 a ticket is used once (RFC 8446 C.4), and with a key that goes out of use it is to
  // be replaced.
  return found->current && ::SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
}

// Whether the session's client has shown a certificate that has expired since.
bool OfExpiredClient(const SSL_SESSION* session) {
  const X509* const certificate = ::SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
  return certificate != nullptr && ::X509_cmp_current_time(::X509_get0_notAfter(certificate)) <= 0;
}

// SSL_CTX_set_session_ticket_cb(3). A resumed session is not verified again, and each gets a new
// ticket, so that a client would be trusted for as long as it comes back in time.
SSL_TICKET_RETURN OnTicketOpened(SSL* /*ssl*/, SSL_SESSION* session, const unsigned char* /*name*/,
                                 size_t /*name_size*/, SSL_TICKET_STATUS status,
                                 void* /*argument*/) {
  switch (status) {
    case SSL_TICKET_SUCCESS:
    case SSL_TICKET_SUCCESS_RENEW:
      if (OfExpiredClient(session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
      return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
    default:
      return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
}

}  // namespace

void UseTicketKeys(SSL_CTX* ctx, TlsTicketKeys* keys) {
  SSL_CTX_set_app_data(ctx, keys);
  ::SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, OnTicketKey);
  ::SSL_CTX_set_session_ticket_cb(ctx, nullptr, OnTicketOpened, nullptr);
  ::SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_timeout(ctx, absl::ToInt64Seconds(keys->period()));
}

}  // namespace squall::internal
