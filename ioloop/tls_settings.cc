#include "squall/ioloop/tls_settings.h"

#include <openssl/err.h>

#include "absl/strings/str_cat.h"
#include "squall/ioloop/tls_error.h"

namespace squall::internal {
namespace {

absl::Status Refused(const std::string& option, const std::string& value) {
  return absl::InvalidArgumentError(absl::StrCat(
      "tls ", option, " \"", value, "\" is nothing that OpenSSL can use: ", TakeTlsErrors()));
}

}  // namespace

absl::StatusOr<SslCtxPtr> MakeSslCtx(const SSL_METHOD* method, const TlsProtocolOptions& options) {
  ::ERR_clear_error();
  SslCtxPtr ctx(::SSL_CTX_new(method));
  if (ctx == nullptr) {
    return absl::InternalError(absl::StrCat("OpenSSL makes no context: ", TakeTlsErrors()));
  }
  ::SSL_CTX_set_security_level(ctx.get(), 2);
  ::SSL_CTX_set_min_proto_version(
      ctx.get(), options.min_version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  ::SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  if (options.ktls) ::SSL_CTX_set_options(ctx.get(), SSL_OP_ENABLE_KTLS);
  // Whoever waits for room asks again with what is left, from another place in memory. An idle
  // connection has no buffers; a busy one takes what the socket has with one recv, not the head and
  // the body of each record with two.
  ::SSL_CTX_set_mode(ctx.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_read_ahead(ctx.get(), 1);
  if (::SSL_CTX_set_cipher_list(ctx.get(), options.ciphers.c_str()) != 1) {
    return Refused("ciphers", options.ciphers);
  }
  if (!options.cipher_suites.empty() &&
      ::SSL_CTX_set_ciphersuites(ctx.get(), options.cipher_suites.c_str()) != 1) {
    return Refused("cipher_suites", options.cipher_suites);
  }
  if (::SSL_CTX_set1_groups_list(ctx.get(), options.groups.c_str()) != 1) {
    return Refused("groups", options.groups);
  }
  return ctx;
}

absl::StatusOr<std::string> AlpnList(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (name.empty() || name.size() > 255) {
      return absl::InvalidArgumentError(
          absl::StrCat("tls alpn \"", name, "\": a protocol's name has 1 to 255 octets"));
    }
    list.push_back(static_cast<char>(name.size()));
    list.append(name);
  }
  return list;
}

X509StackPtr ChainOf(const LoadedKeyPair& pair) {
  X509StackPtr chain(sk_X509_new_null());
  for (const X509Ptr& certificate : pair.chain) sk_X509_push(chain.get(), certificate.get());
  return chain;
}

absl::Status UseKeyPair(SSL_CTX* ctx, const LoadedKeyPair& pair, const std::string& file) {
  ::ERR_clear_error();
  const X509StackPtr chain = ChainOf(pair);
  if (::SSL_CTX_use_cert_and_key(ctx, pair.leaf.get(), pair.key.get(), chain.get(),
                                 /*override=*/1) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("the certificate ", file, " of ",
                                                   SubjectText(*pair.leaf),
                                                   " cannot be used: ", TakeTlsErrors()));
  }
  return absl::OkStatus();
}

}  // namespace squall::internal
