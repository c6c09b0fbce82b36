// Makes the transport of an accepted connection, so that a server can speak TLS, or what else goes
// below its protocol, and know nothing of it.
//
//   squall::HttpServerOptions options;
//   options.transport = *squall::TlsAcceptor::Create({.certificates = {{"site.pem", "site.key"}}});
//   squall::HttpServer server(app, options);
//
// Servers share a factory by shared_ptr. MakeTransport may be called from several threads at a time
// where servers in several threads share it.
#ifndef SQUALL_IOLOOP_TRANSPORT_FACTORY_H_
#define SQUALL_IOLOOP_TRANSPORT_FACTORY_H_

#include <memory>

#include "squall/base/unique_fd.h"
#include "squall/ioloop/transport.h"

namespace squall {

class TransportFactory {
 public:
  virtual ~TransportFactory() = default;

  // Owns `connection`, a connected stream socket. Never null: what is wrong is said by the
  // transport's Read, Write and Handshake.
  virtual std::unique_ptr<Transport> MakeTransport(UniqueFd connection) = 0;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_TRANSPORT_FACTORY_H_
