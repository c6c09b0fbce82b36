// What a TLS server knows: certificates, keys, rules. Immutable, shared by its connections.
//
//   absl::StatusOr<std::shared_ptr<const squall::TlsServerContext>> context =
//       squall::TlsServerContext::Create({.certificates = {{"site.pem", "site.key"}}});
//   if (!context.ok()) LOG(FATAL) << context.status().message();
//   squall::IOStream stream(squall::MakeTlsTransport(std::move(accepted), *context));
//
// All files are read when it is made, so a pre-fork program makes it before the fork, as a user who
// may read the keys, and the workers need not be able to. For files that change while the program
// runs see ioloop/tls_acceptor.h. There is no session cache on the server's side: clients keep their
// sessions as tickets, which any process with the same TlsTicketKeys understands. Any thread.
//
// Source: tornado.netutil.ssl_options_to_context.
#ifndef SQUALL_IOLOOP_TLS_SERVER_CONTEXT_H_
#define SQUALL_IOLOOP_TLS_SERVER_CONTEXT_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/ioloop/tls_options.h"

struct ssl_ctx_st;
struct ssl_st;

namespace squall {

namespace internal {
struct LoadedKeyPair;
}  // namespace internal

class TlsServerContext {
 public:
  // Reads and checks the files. The error is one sentence with the file and what is wrong with it:
  // NOT_FOUND, PERMISSION_DENIED and the like when it cannot be read; FAILED_PRECONDITION for a
  // certificate that `now` is out of the dates of; INVALID_ARGUMENT for all else.
  static absl::StatusOr<std::shared_ptr<const TlsServerContext>> Create(
      const TlsServerOptions& options, absl::Time now = absl::Now());

  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;
  ~TlsServerContext();

  // When the first of its certificates expires.
  absl::Time not_after() const { return not_after_; }

  // OpenSSL's, for the transport.
  ssl_ctx_st* ssl_ctx() const { return ctx_; }

 private:
  // Those of the pairs that a name gets, one for each kind of key.
  using Choice = std::vector<const internal::LoadedKeyPair*>;

  TlsServerContext() = default;

  absl::Status AddCertificates(const TlsServerOptions& options, absl::Time now);
  absl::Status AddClientCertificates(const TlsServerOptions& options);
  absl::Status AddAlpn(const std::vector<std::string>& names);
  const Choice* Find(std::string_view server_name) const;

  static int OnCertificate(ssl_st* ssl, void* context);
  static int OnServerName(ssl_st* ssl, int* alert, void* context);
  static int OnAlpn(ssl_st* ssl, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned int in_size, void* context);

  ssl_ctx_st* ctx_ = nullptr;
  std::vector<std::unique_ptr<internal::LoadedKeyPair>> pairs_;
  std::map<std::string, Choice> by_name_;
  Choice first_;  // In ctx_ itself.
  std::string alpn_;
  std::shared_ptr<TlsTicketKeys> ticket_keys_;
  absl::Time not_after_ = absl::InfiniteFuture();
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_SERVER_CONTEXT_H_
