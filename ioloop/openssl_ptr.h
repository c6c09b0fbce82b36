// Owners of OpenSSL's objects. Internal to ioloop's TLS, and for its tests.
//
//   internal::X509Ptr certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
#ifndef SQUALL_IOLOOP_OPENSSL_PTR_H_
#define SQUALL_IOLOOP_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace squall::internal {

template <auto kFree>
struct OpenSslFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpenSslFree<::BIO_free>>;
using EvpCipherPtr = std::unique_ptr<EVP_CIPHER, OpenSslFree<::EVP_CIPHER_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<::EVP_PKEY_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<::GENERAL_NAMES_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, OpenSslFree<::SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<::SSL_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<::SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, OpenSslFree<::X509_free>>;

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_OPENSSL_PTR_H_
