// The TLS side of a server whose certificates may change while it runs.
//
//   ASSIGN_OR_RETURN(auto tls, squall::TlsAcceptor::Create({.certificates = {{"a.pem", "a.key"}}}));
//   options.transport = tls;                 // of HttpServerOptions or TcpServer::Options
//   ...
//   if (auto status = tls->Reload(); !status.ok()) LOG(ERROR) << status.message();
//
// Reload() reads the files anew and exchanges what new connections get. Connections that exist keep
// what they have, handshakes that are under way end as they began, and session tickets stay good.
// When anything is wrong with the new files, the old ones stay in use.
//
// Any thread.
#ifndef SQUALL_IOLOOP_TLS_ACCEPTOR_H_
#define SQUALL_IOLOOP_TLS_ACCEPTOR_H_

#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/tls_options.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"

namespace squall {

class TlsAcceptor : public TransportFactory {
 public:
  // Errors as TlsServerContext::Create.
  static absl::StatusOr<std::shared_ptr<TlsAcceptor>> Create(TlsServerOptions options,
                                                             absl::Time now = absl::Now());

  // The same files again, or other options, of which null ticket_keys keep the present ones.
  absl::Status Reload(absl::Time now = absl::Now());
  absl::Status Reload(TlsServerOptions options, absl::Time now = absl::Now());

  // What new connections get.
  std::shared_ptr<const TlsServerContext> context() const;
  std::shared_ptr<TlsTicketKeys> ticket_keys() const;

  std::unique_ptr<Transport> MakeTransport(UniqueFd connection) override;

 private:
  TlsAcceptor(TlsServerOptions options, std::shared_ptr<const TlsServerContext> context);

  absl::Status Exchange(TlsServerOptions options, absl::Time now);

  std::mutex reload_mutex_;  // One reload at a time, or a slow one would undo a later one.
  mutable std::mutex mutex_;
  TlsServerOptions options_;
  std::shared_ptr<const TlsServerContext> context_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_ACCEPTOR_H_
