#include "squall/ioloop/tls_server_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_certificate.h"
#include "squall/ioloop/tls_settings.h"
#include "squall/ioloop/tls_tickets.h"

namespace squall {

using internal::LoadedKeyPair;

TlsServerContext::~TlsServerContext() { ::SSL_CTX_free(ctx_); }

absl::StatusOr<std::shared_ptr<const TlsServerContext>> TlsServerContext::Create(
    const TlsServerOptions& options, absl::Time now) {
  std::shared_ptr<TlsServerContext> context(new TlsServerContext);
  ASSIGN_OR_RETURN(internal::SslCtxPtr ctx,
                   internal::MakeSslCtx(::TLS_server_method(), options.protocol));
  context->ctx_ = ctx.release();
  RETURN_IF_ERROR(context->AddCertificates(options, now));
  RETURN_IF_ERROR(context->AddClientCertificates(options));
  RETURN_IF_ERROR(context->AddAlpn(options.alpn));
  context->ticket_keys_ =
      options.ticket_keys != nullptr ? options.ticket_keys : std::make_shared<TlsTicketKeys>();
  internal::UseTicketKeys(context->ctx_, context->ticket_keys_.get());
  return context;
}

absl::Status TlsServerContext::AddCertificates(const TlsServerOptions& options, absl::Time now) {
  if (options.certificates.empty()) {
    return absl::InvalidArgumentError("a TLS server needs a certificate, and none is given");
  }
  // Judges certificates and takes them all, which the connections' context must not.
  ASSIGN_OR_RETURN(const internal::SslCtxPtr judge,
                   internal::MakeSslCtx(::TLS_server_method(), options.protocol));
  const auto kind = [](const LoadedKeyPair& pair) {
    return ::EVP_PKEY_get_base_id(pair.key.get());
  };
  for (const TlsKeyPair& files : options.certificates) {
    ASSIGN_OR_RETURN(LoadedKeyPair pair, internal::LoadKeyPair(files));
    if (options.out_of_date == TlsServerOptions::OutOfDate::kRefuse) {
      RETURN_IF_ERROR(internal::CheckDates(*pair.leaf, files.certificate_file, now));
    }
    internal::WarnOfExpiry(*pair.leaf, files.certificate_file, now);
    RETURN_IF_ERROR(internal::UseKeyPair(judge.get(), pair, files.certificate_file));
    not_after_ = std::min(not_after_, internal::NotAfter(*pair.leaf));
    pairs_.push_back(std::make_unique<LoadedKeyPair>(std::move(pair)));
    const LoadedKeyPair* const added = pairs_.back().get();
    for (const std::string& name : internal::ServedNames(*added->leaf)) {
      Choice& choice = by_name_[name];
      const bool has_kind = std::any_of(choice.begin(), choice.end(), [&](const auto* other) {
        return kind(*other) == kind(*added);
      });
      if (!has_kind) choice.push_back(added);
    }
  }
  const LoadedKeyPair* const first = pairs_.front().get();
  const std::vector<std::string> names = internal::ServedNames(*first->leaf);
  first_ = names.empty() ? Choice{first} : by_name_[names.front()];
  for (const LoadedKeyPair* pair : first_) {
    RETURN_IF_ERROR(internal::UseKeyPair(ctx_, *pair, options.certificates[0].certificate_file));
  }
  ::SSL_CTX_set_cert_cb(ctx_, OnCertificate, this);
  ::SSL_CTX_set_tlsext_servername_callback(ctx_, OnServerName);
  return absl::OkStatus();
}

absl::Status TlsServerContext::AddClientCertificates(const TlsServerOptions& options) {
  std::string rules = "squall";
  if (options.client_certificate != TlsClientCertificate::kNone) {
    if (options.client_ca_file.empty()) {
      return absl::InvalidArgumentError(
          "client certificates are asked for, but no client_ca_file says who may sign them");
    }
    ASSIGN_OR_RETURN(const std::vector<internal::X509Ptr> roots,
                     internal::LoadCertificates(options.client_ca_file, "client_ca_file"));
    X509_STORE* const store = ::SSL_CTX_get_cert_store(ctx_);
    for (const internal::X509Ptr& root : roots) {
      ::X509_STORE_add_cert(store, root.get());
      ::SSL_CTX_add_client_CA(ctx_, root.get());
      unsigned char digest[EVP_MAX_MD_SIZE];
      unsigned int size = 0;
      ::X509_digest(root.get(), ::EVP_sha256(), digest, &size);
      rules.append(reinterpret_cast<const char*>(digest), size);
    }
    const bool required = options.client_certificate == TlsClientCertificate::kRequired;
    rules.push_back(required ? 'r' : 'o');
    ::SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                         nullptr);
  }
  // A session is resumed only under the rules that it was made with: its client is not verified
  // again.
  unsigned char id[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::EVP_Digest(rules.data(), rules.size(), id, &size, ::EVP_sha256(), nullptr);
  ::SSL_CTX_set_session_id_context(ctx_, id, std::min(size, unsigned{SSL_MAX_SID_CTX_LENGTH}));
  return absl::OkStatus();
}

absl::Status TlsServerContext::AddAlpn(const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(alpn_, internal::AlpnList(names));
  if (!alpn_.empty()) ::SSL_CTX_set_alpn_select_cb(ctx_, OnAlpn, this);
  return absl::OkStatus();
}

const TlsServerContext::Choice* TlsServerContext::Find(std::string_view server_name) const {
  std::string name = absl::AsciiStrToLower(ToAbsl(server_name));
  if (!name.empty() && name.back() == '.') name.pop_back();
  auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    // A wildcard stands for one label, the first (RFC 6125 6.4.3).
    const size_t dot = name.find('.');
    if (dot == std::string::npos) return nullptr;
    found = by_name_.find(absl::StrCat("*", name.substr(dot)));
  }
  return found == by_name_.end() ? nullptr : &found->second;
}

int TlsServerContext::OnCertificate(ssl_st* ssl, void* context) {
  const auto* const self = static_cast<const TlsServerContext*>(context);
  const char* const name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const Choice* const choice = name != nullptr ? self->Find(name) : nullptr;
  if (choice == nullptr || *choice == self->first_) return 1;
  ::SSL_certs_clear(ssl);
  for (const LoadedKeyPair* pair : *choice) {
    const internal::X509StackPtr chain = internal::ChainOf(*pair);
    if (::SSL_use_cert_and_key(ssl, pair->leaf.get(), pair->key.get(), chain.get(), 1) != 1) {
      return 0;
    }
  }
  return 1;
}

// OpenSSL keeps the name in the session only when a callback accepts it, and with TLS 1.2 a resumed
// connection knows the name from there.
int TlsServerContext::OnServerName(ssl_st* /*ssl*/, int* /*alert*/, void* /*context*/) {
  return SSL_TLSEXT_ERR_OK;
}

int TlsServerContext::OnAlpn(ssl_st* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* in, unsigned int in_size, void* context) {
  const std::string& ours = static_cast<const TlsServerContext*>(context)->alpn_;
  unsigned char* chosen = nullptr;
  const int result = ::SSL_select_next_proto(&chosen, out_size,
                                             reinterpret_cast<const unsigned char*>(ours.data()),
                                             static_cast<unsigned int>(ours.size()), in, in_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace squall
