// TLS over a connected socket, as a Transport: what IOStream and the HTTP server read and write.
//
//   squall::IOStream stream(squall::MakeTlsTransport(std::move(accepted), server_context));
//   squall::IOStream stream(squall::MakeTlsTransport(std::move(socket), client_context, "host"));
//   if (const squall::TlsTransport* tls = squall::TlsTransport::From(stream.transport())) {
//     LOG(INFO) << tls->version() << " for " << tls->server_name();
//   }
//
// The handshake happens in the first reads and writes; see ioloop/handshake.h for one with a
// deadline. The peer's close_notify is the end of the stream. An end of the connection without it
// is an error, DATA_LOSS, for anybody on the way can cause it. ErrorStatus() of what else the peer
// did wrong: UNAUTHENTICATED for a certificate that does not verify, else ABORTED; both with errno
// EPROTO. An idle connection holds no buffers.
//
// Source: tornado.iostream.SSLIOStream.
#ifndef SQUALL_IOLOOP_TLS_TRANSPORT_H_
#define SQUALL_IOLOOP_TLS_TRANSPORT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "squall/base/unique_fd.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/transport.h"

namespace squall {

// Of a certificate that has been verified, unless the client was told to verify none.
struct TlsPeerCertificate {
  std::string subject;                 // RFC 2253: "CN=alice,O=Example"
  std::string common_name;             // "alice"; may be empty
  std::vector<std::string> dns_names;  // in lower case
  std::vector<std::string> uris;       // of subjectAltName, as they stand there
  std::string sha256;                  // of the whole certificate, 64 hexadecimal digits
};

class TlsTransport : public Transport {
 public:
  // The same object, or null for null and for a transport of another kind.
  static const TlsTransport* From(const Transport* transport);

  bool encrypted() const final { return true; }

  virtual bool handshake_done() const = 0;
  // The others are empty until then.
  virtual std::string version() const = 0;      // "TLSv1.3"
  virtual std::string cipher() const = 0;       // "TLS_AES_256_GCM_SHA384"
  virtual std::string alpn() const = 0;         // what was agreed on; empty if nothing was
  virtual std::string server_name() const = 0;  // what the client asked for (SNI)
  virtual bool resumed() const = 0;
  // Whether the kernel encrypts what is sent, so that SendFile() works: see TlsProtocolOptions::ktls.
  virtual bool ktls_send() const = 0;
  virtual std::optional<TlsPeerCertificate> peer_certificate() const = 0;
};

// A server's end.
std::unique_ptr<Transport> MakeTlsTransport(UniqueFd socket,
                                            std::shared_ptr<const TlsServerContext> context);
// A client's end. `server_name` is the DNS name or the IP address that the server's certificate has
// to be for.
std::unique_ptr<Transport> MakeTlsTransport(UniqueFd socket,
                                            std::shared_ptr<TlsClientContext> context,
                                            std::string server_name);

}  // namespace squall

#endif  // SQUALL_IOLOOP_TLS_TRANSPORT_H_
