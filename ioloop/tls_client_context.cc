#include "squall/ioloop/tls_client_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/ioloop/openssl_ptr.h"
#include "squall/ioloop/tls_certificate.h"
#include "squall/ioloop/tls_error.h"
#include "squall/ioloop/tls_settings.h"

namespace squall {
namespace {

constexpr size_t kMaxServers = 256;
constexpr size_t kMaxSessionsOfAServer = 4;

int IndexOfServerName() {
  static const int index = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

TlsClientContext::~TlsClientContext() {
  for (auto& [name, sessions] : sessions_) {
    for (ssl_session_st* session : sessions.list) ::SSL_SESSION_free(session);
  }
  ::SSL_CTX_free(ctx_);
}

absl::StatusOr<std::shared_ptr<TlsClientContext>> TlsClientContext::Create(
    const TlsClientOptions& options) {
  std::shared_ptr<TlsClientContext> context(new TlsClientContext);
  ASSIGN_OR_RETURN(internal::SslCtxPtr ctx,
                   internal::MakeSslCtx(::TLS_client_method(), options.protocol));
  context->ctx_ = ctx.release();
  context->verification_ = options.verification;
  if (options.verification != TlsVerification::kNone) {
    ::SSL_CTX_set_verify(context->ctx_, SSL_VERIFY_PEER, nullptr);
    if (options.ca_file.empty()) {
      if (::SSL_CTX_set_default_verify_paths(context->ctx_) != 1) {
        return absl::FailedPreconditionError(
            absl::StrCat("the system's trusted roots cannot be used: ", internal::TakeTlsErrors()));
      }
    } else {
      ASSIGN_OR_RETURN(const std::vector<internal::X509Ptr> roots,
                       internal::LoadCertificates(options.ca_file, "ca_file"));
      X509_STORE* const store = ::SSL_CTX_get_cert_store(context->ctx_);
      for (const internal::X509Ptr& root : roots) ::X509_STORE_add_cert(store, root.get());
    }
  }
  if (!options.certificate.certificate_file.empty()) {
    ASSIGN_OR_RETURN(const internal::LoadedKeyPair pair,
                     internal::LoadKeyPair(options.certificate));
    RETURN_IF_ERROR(
        internal::UseKeyPair(context->ctx_, pair, options.certificate.certificate_file));
  }
  ASSIGN_OR_RETURN(const std::string alpn, internal::AlpnList(options.alpn));
  if (!alpn.empty() &&
      ::SSL_CTX_set_alpn_protos(context->ctx_, reinterpret_cast<const unsigned char*>(alpn.data()),
                                static_cast<unsigned int>(alpn.size())) != 0) {
    return absl::InternalError(absl::StrCat("tls alpn: ", internal::TakeTlsErrors()));
  }
  ::SSL_CTX_set_session_cache_mode(context->ctx_,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context->ctx_, context.get());
  ::SSL_CTX_sess_set_new_cb(context->ctx_, OnNewSession);
  return context;
}

bool TlsClientContext::KeepSessions(ssl_st* ssl, const std::string* server_name) {
  return ::SSL_set_ex_data(ssl, IndexOfServerName(), const_cast<std::string*>(server_name)) == 1;
}

int TlsClientContext::OnNewSession(ssl_st* ssl, ssl_session_st* session) {
  const auto* const name =
      static_cast<const std::string*>(::SSL_get_ex_data(ssl, IndexOfServerName()));
  if (name == nullptr) return 0;
  static_cast<TlsClientContext*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(ssl)))
      ->PutSession(*name, session);
  return 1;  // The session is ours now.
}

void TlsClientContext::PutSession(const std::string& server_name, ssl_session_st* session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sessions_.size() >= kMaxServers && sessions_.count(server_name) == 0) {
    const auto oldest = std::min_element(
        sessions_.begin(), sessions_.end(),
        [](const auto& a, const auto& b) { return a.second.last_put < b.second.last_put; });
    for (ssl_session_st* old : oldest->second.list) ::SSL_SESSION_free(old);
    sessions_.erase(oldest);
  }
  Sessions& sessions = sessions_[server_name];
  sessions.last_put = ++puts_;
  sessions.list.push_back(session);
  if (sessions.list.size() <= kMaxSessionsOfAServer) return;
  ::SSL_SESSION_free(sessions.list.front());
  sessions.list.pop_front();
}

ssl_session_st* TlsClientContext::TakeSession(const std::string& server_name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(server_name);
  if (found == sessions_.end() || found->second.list.empty()) return nullptr;
  ssl_session_st* const session = found->second.list.back();
  if (::SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION) {
    // Such a ticket is used once, so that nobody can tell that two connections are of one client
    // (RFC 8446 C.4).
    found->second.list.pop_back();
  } else {
    ::SSL_SESSION_up_ref(session);
  }
  return session;
}

}  // namespace squall
