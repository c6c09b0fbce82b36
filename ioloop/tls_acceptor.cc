#include "squall/ioloop/tls_acceptor.h"

#include <utility>

#include "squall/base/status_macros.h"
#include "squall/ioloop/tls_ticket_keys.h"
#include "squall/ioloop/tls_transport.h"

namespace squall {

TlsAcceptor::TlsAcceptor(TlsServerOptions options, std::shared_ptr<const TlsServerContext> context)
    : options_(std::move(options)), context_(std::move(context)) {}

absl::StatusOr<std::shared_ptr<TlsAcceptor>> TlsAcceptor::Create(TlsServerOptions options,
                                                                 absl::Time now) {
  if (options.ticket_keys == nullptr) options.ticket_keys = std::make_shared<TlsTicketKeys>();
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsServerContext> context,
                   TlsServerContext::Create(options, now));
  return std::shared_ptr<TlsAcceptor>(new TlsAcceptor(std::move(options), std::move(context)));
}

absl::Status TlsAcceptor::Reload(absl::Time now) {
  const std::lock_guard<std::mutex> reloading(reload_mutex_);
  TlsServerOptions options;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    options = options_;
  }
  return Exchange(std::move(options), now);
}

absl::Status TlsAcceptor::Reload(TlsServerOptions options, absl::Time now) {
  const std::lock_guard<std::mutex> reloading(reload_mutex_);
  return Exchange(std::move(options), now);
}

absl::Status TlsAcceptor::Exchange(TlsServerOptions options, absl::Time now) {
  if (options.ticket_keys == nullptr) options.ticket_keys = ticket_keys();
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsServerContext> context,
                   TlsServerContext::Create(options, now));
  const std::lock_guard<std::mutex> lock(mutex_);
  options_ = std::move(options);
  context_ = std::move(context);
  return absl::OkStatus();
}

std::shared_ptr<const TlsServerContext> TlsAcceptor::context() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return context_;
}

std::shared_ptr<TlsTicketKeys> TlsAcceptor::ticket_keys() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return options_.ticket_keys;
}

std::unique_ptr<Transport> TlsAcceptor::MakeTransport(UniqueFd connection) {
  return MakeTlsTransport(std::move(connection), context());
}

}  // namespace squall
