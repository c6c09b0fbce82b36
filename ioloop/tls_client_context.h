// What a TLS client knows: whom it trusts, its own certificate, the sessions it can resume. Shared
// by its connections.
//
//   absl::StatusOr<std::shared_ptr<squall::TlsClientContext>> context =
//       squall::TlsClientContext::Create();
//   if (!context.ok()) co_return context.status();
//   squall::IOStream stream(
//       squall::MakeTlsTransport(std::move(socket), *context, "www.example.com"));
//
// Any thread.
//
// Source: tornado.netutil.ssl_options_to_context.
#ifndef SQUALL_IOLOOP_TLS_CLIENT_CONTEXT_H_
#define SQUALL_IOLOOP_TLS_CLIENT_CONTEXT_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "squall/ioloop/tls_options.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace squall {

class TlsClientContext {
 public:
  // Reads and checks the files; errors as TlsServerContext::Create.
  static absl::StatusOr<std::shared_ptr<TlsClientContext>> Create(
      const TlsClientOptions& options = {});

  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;
  ~TlsClientContext();

  // OpenSSL's, for the transport.
  ssl_ctx_st* ssl_ctx() const { return ctx_; }
  TlsVerification verification() const { return verification_; }

  // For the transport: has the sessions of `ssl` kept for the next connection to that server.
  // `server_name` must outlive `ssl`. False when there is no memory.
  bool KeepSessions(ssl_st* ssl, const std::string* server_name);
  // Keeps a session, and gives the newest one or null. Owns what it is given, and the caller owns
  // what is taken.
  void PutSession(const std::string& server_name, ssl_session_st* session);
  ssl_session_st* TakeSession(const std::string& server_name);

 private:
  TlsClientContext() = default;

  static int OnNewSession(ssl_st* ssl, ssl_session_st* session);

  ssl_ctx_st* ctx_ = nullptr;
  TlsVerification verification_ = TlsVerification::kPeerAndName;
  std::mutex mutex_;
  // Of a server.
  struct Sessions {
    std::deque<ssl_session_st*> list;
    uint64_t last_put = 0;
  };
  std::map<std::string, Sessions> sessions_;
  uint64_t puts_ = 0;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_CLIENT_CONTEXT_H_
