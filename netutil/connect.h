// Connections to servers.
//
//   squall::Task<absl::Status> Ask() {
//     absl::StatusOr<squall::IOStream> stream = co_await squall::Connect("example.com", 7);
//     if (!stream.ok()) co_return stream.status();
//     // cannot connect to "example.com" port 7: 192.0.2.1:7: Connection refused; [2001:db8::1]:7:
//     // Network is unreachable
//     co_return co_await stream->Write("hello\n");
//   }
//
//   auto local = co_await squall::Connect(squall::SocketAddress::Parse("unix:/run/app.sock").value());
//
// A host with several addresses is tried as RFC 8305 ("happy eyeballs") says: the families in turn,
// one more address every 250 ms or as soon as one has failed; the first to succeed wins, and the
// other sockets are closed. A task that is destroyed closes all of them. A name service that is slow
// with both families together is after 50 ms asked for each by itself, too; what is known by then is
// tried, and what comes later takes its place in the row.
//
// For TLS, `transport` makes of the socket what goes below the stream. Connect shakes hands, so that
// a server that never answers or has a wrong certificate fails here, and what was agreed on (ALPN) is
// known when it is done:
//
//   squall::ConnectOptions options;
//   options.transport = [context](squall::UniqueFd socket) {
//     return squall::MakeTlsTransport(std::move(socket), context, "example.com");
//   };
//   auto stream = co_await squall::Connect("example.com", 443, options);
//
// On the thread of the loop that runs it.
//
// Source: tornado.tcpclient.TCPClient, which follows the older RFC 6555 and reports the last error
// alone; tornado.iostream.IOStream.connect.
#ifndef SQUALL_NETUTIL_CONNECT_H_
#define SQUALL_NETUTIL_CONNECT_H_

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/netutil/address.h"
#include "squall/netutil/resolver.h"
#include "squall/netutil/tcp_options.h"

namespace squall {

struct ConnectOptions {
  // For all of it: the name, every address, the handshake of the transport. The kernel gives up on
  // one address after about two minutes.
  absl::Duration timeout = absl::Seconds(30);
  // AF_INET or AF_INET6: addresses of this family alone.
  int family = AF_UNSPEC;
  // Where the connection comes from; with port 0 any port. Addresses of another family are then not
  // tried.
  std::optional<SocketAddress> source = std::nullopt;
  TcpOptions tcp = {};
  IOStreamOptions stream = {};
  // After which time without an answer the next address is tried, too (RFC 8305 §5 recommends this
  // value and forbids less than 10 ms).
  absl::Duration attempt_delay = absl::Milliseconds(250);
  // Not owned; must outlive the task. Null: Resolver::OfThisThread().
  Resolver* resolver = nullptr;
  // Makes the transport under the stream, for instance TLS; null: the socket as it is. Connect waits
  // for its handshake (Handshake() of ioloop/handshake.h), with the first address that has connected.
  std::function<std::unique_ptr<Transport>(UniqueFd connected_socket)> transport = nullptr;
};

// A stream to `port` of `host`, a name or an address. Errors: those of Resolver::Resolve;
// DEADLINE_EXCEEDED; INVALID_ARGUMENT for options that make no sense; else what StatusFromErrno
// makes of connect(2), bind(2) and socket(2) for the address that failed last, with a sentence that
// tells of each address why (UNAVAILABLE: refused or unreachable); what Transport::ErrorStatus says
// of a handshake that has failed.
Task<absl::StatusOr<IOStream>> Connect(std::string host, uint16_t port,
                                       ConnectOptions options = {});

// To one address, TCP or unix. A unix server whose backlog is full is tried again until the
// timeout.
Task<absl::StatusOr<IOStream>> Connect(SocketAddress address, ConnectOptions options = {});

}  // namespace squall

#endif  // SQUALL_NETUTIL_CONNECT_H_
