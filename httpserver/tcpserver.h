// A server on stream sockets, Tornado's TCPServer: sockets in, one HandleStream() per connection.
//
//   class EchoServer : public squall::TcpServer {
//    public:
//     squall::Task<> HandleStream(squall::IOStream stream, squall::SocketAddress peer) override {
//       for (;;) {
//         auto line = co_await squall::WithStop(drain_token(), stream.ReadUntil("\n"));
//         if (!line.ok() || !(co_await stream.Write(*std::move(line))).ok()) co_return;
//       }
//     }
//   };
//
//   EchoServer server;
//   if (auto status = server.Listen(8888); !status.ok()) LOG(FATAL) << status;
//   squall::IOLoop::Current().Start();
//
// A pre-fork program binds before ForkProcesses() and gives the sockets to AddSockets() in each
// worker. There the server counts its connections into the worker's scoreboard row and takes part
// in the worker's drain by itself. One thread: the one whose IOLoop::Current() accepted the sockets.
#ifndef SQUALL_HTTPSERVER_TCPSERVER_H_
#define SQUALL_HTTPSERVER_TCPSERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/transport_factory.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/accept_standing.h"
#include "squall/netutil/address.h"
#include "squall/netutil/proxy_header.h"
#include "squall/netutil/proxy_protocol.h"
#include "squall/netutil/sockets.h"
#include "squall/netutil/tcp_options.h"
#include "squall/process/drain.h"

namespace squall {

namespace internal {
class StreamServing;
}  // namespace internal

class TcpServer {
 public:
  struct Options {
    AcceptPolicy accept_policy = AcceptPolicy::kBalanced;
    int accept_budget = 1;  // accepts per wake-up; more than 1 hoards connections beside siblings
    IOStreamOptions stream;
    // Set on the listening sockets by AddSockets(), and so on what is accepted from then on.
    TcpOptions tcp = {};
    // Behind a proxy that speaks the PROXY protocol: HandleStream() gets the client's address. The
    // header is read before anything else, also before TLS.
    std::optional<ProxyProtocolOptions> proxy_protocol = {};
    // What carries the octets of each connection, such as a TlsAcceptor (ioloop/tls_acceptor.h).
    // Null: the socket as it is.
    std::shared_ptr<TransportFactory> transport = {};
    // For the transport's handshake, which is done before HandleStream() is called. A connection
    // whose handshake fails is closed, with a line in the log.
    absl::Duration handshake_timeout = absl::Seconds(15);
  };

  TcpServer() : TcpServer(Options()) {}
  // CHECK-fails on options that Validate() of their type refuses.
  explicit TcpServer(Options options);
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  // Stops. Connections that HandleStream() still serves go on; they must not use `this` then.
  virtual ~TcpServer();

  // BindSockets() and AddSockets(); may be called repeatedly. Errors as BindSockets().
  absl::Status Listen(uint16_t port, const BindOptions& options = {});

  // Owns the sockets and accepts on them in this thread's loop. May be called repeatedly. A socket
  // that AcceptWaiting() in another process has shut down meanwhile is closed, with a line in the
  // log.
  void AddSockets(std::vector<ListenSocket> sockets);
  void AddSocket(ListenSocket socket);

  // Stops accepting and closes this process's copies of the listening sockets; accepted connections
  // go on, also those that wait for their PROXY header. May be called twice and inside any callback.
  void Stop();

  // Accepts what waits in the backlogs now, then makes the kernel refuse new connections in every
  // process that shares the sockets (shutdown(2)). For the last server on them, before Stop(), and
  // not for sockets that somebody outside of this pool owns, too. Inherited sockets are not shut
  // down: their manager keeps them for the next start, which answers what comes later.
  void AcceptLast();

  // Accepts what waits on sockets of ReusePortListeners. Before Stop(), for a server whose siblings
  // go on: they would take it only after a while.
  void AcceptOwnWaiting();

  // Closes this process's listeners, asks drain_token() to stop, and calls `done` once, from the
  // loop, when no HandleStream() is under way. A second call adds its `done`. If the request says
  // that the pool ends, nobody else will accept from these sockets: what waits in their backlogs is
  // accepted first, and then the kernel refuses new connections. The times in the request are for
  // servers that know which connections are idle; here those end when their HandleStream() does, or
  // with the worker at the end of its grace.
  virtual void Drain(const DrainRequest& request, absl::AnyInvocable<void()> done);
  // For HandleStream(): a read between two requests belongs into WithStop(drain_token(), ...), which
  // ends it when the drain begins. May be asked to stop by nothing else.
  std::stop_token drain_token() const;

  // Connections open now.
  virtual size_t connection_count() const;

  // Where this server listens, in the order of AddSockets(); empty after Stop(). Tests read the
  // port of `Listen(0)` here.
  std::vector<SocketAddress> addresses() const;

  // Serves one connection. Exceptions are logged ("Error in connection callback") and the accept
  // loop goes on. The default closes the connection.
  virtual Task<> HandleStream(IOStream stream, SocketAddress peer);

 protected:
  // Called for each accepted connection (non-blocking, close-on-exec). The default wraps it into an
  // IOStream and spawns HandleStream(); servers without coroutines override it.
  virtual void HandleConnection(UniqueFd connection, SocketAddress peer);

  // Called instead with Options::proxy_protocol; `peer` is the proxy, or a client that came directly
  // and is served, then the header's version is 0. The default calls HandleConnection() with the
  // address of the client.
  virtual void HandleProxiedConnection(UniqueFd connection, SocketAddress peer, ProxyHeader header);

  // Called when the number of accepted connections that wait for their PROXY header has changed. A
  // drain has to wait for them; the default has that of this class do so.
  virtual void OnWaitingForHeader(size_t connections);
  // Closes those.
  void CloseWaitingForHeader();

  // Of all listeners of this server together.
  const AcceptStats& accept_stats() const;

  // AcceptOptions::standing, for accept_policy kBalanced.
  virtual AcceptStanding StandingAmongSiblings();

  // Called in AddSockets() after the sockets are registered. The default joins the worker.
  virtual void OnSocketsAdded();

  // The part of a drain that closes the listeners.
  void StopForDrain(const DrainRequest& request);

  // Accepts nothing until ResumeAccepting(); what comes waits in the backlogs, where siblings may
  // take it. For servers that have enough to do. Both may be called at any time, in callbacks too.
  void PauseAccepting();
  void ResumeAccepting();

 private:
  struct Listener {
    ListenSocket socket;
    AcceptHandle handle;
  };

  AcceptHandle AcceptFrom(const ListenSocket& socket);

  void OnAccept(UniqueFd connection, SocketAddress peer);
  static Task<> Serve(TcpServer* server, std::unique_ptr<Transport> transport, SocketAddress peer);

  Options options_;
  const std::shared_ptr<internal::StreamServing> serving_;
  std::unique_ptr<ProxyProtocolReceiver> proxy_protocol_;
  std::vector<Listener> listeners_;
  bool paused_ = false;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_TCPSERVER_H_
