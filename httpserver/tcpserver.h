// A server on stream sockets, Tornado's TCPServer: sockets in, one HandleStream() per connection.
//
//   class EchoServer : public squall::TcpServer {
//    public:
//     squall::Task<> HandleStream(squall::IOStream stream, squall::SocketAddress peer) override {
//       for (;;) {
//         auto line = co_await stream.ReadUntil("\n");
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
// worker. One thread: the one whose IOLoop::Current() accepted the sockets.
#ifndef SQUALL_HTTPSERVER_TCPSERVER_H_
#define SQUALL_HTTPSERVER_TCPSERVER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/accept_standing.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/netutil/tcp_options.h"

namespace squall {

class TcpServer {
 public:
  struct Options {
    AcceptPolicy accept_policy = AcceptPolicy::kExclusive;
    int accept_budget = 1;  // accepts per wake-up; more than 1 hoards connections beside siblings
    IOStreamOptions stream;
    // Set on the listening sockets by AddSockets(), and so on what is accepted from then on.
    TcpOptions tcp = {};
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
  // go on. May be called twice and inside any callback.
  void Stop();

  // Accepts what waits in the backlogs now, then makes the kernel refuse new connections in every
  // process that shares the sockets (shutdown(2)). For the last server on them, before Stop(), and
  // not for sockets that somebody outside of this pool owns, too. Inherited sockets are not shut
  // down: their manager keeps them for the next start, which answers what comes later.
  void AcceptLast();

  // Accepts what waits on sockets of ReusePortListeners. Before Stop(), for a server whose siblings
  // go on: they would take it only after a while.
  void AcceptOwnWaiting();

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

  // Of all listeners of this server together.
  const AcceptStats& accept_stats() const { return accept_stats_; }

  // AcceptOptions::standing, for accept_policy kBalanced. The default: no sibling.
  virtual AcceptStanding StandingAmongSiblings() { return {}; }

  // Called in AddSockets() after the sockets are registered.
  virtual void OnSocketsAdded() {}

 private:
  struct Listener {
    ListenSocket socket;
    AcceptHandle handle;
  };

  static Task<> Serve(TcpServer* server, IOStream stream, SocketAddress peer);

  Options options_;
  AcceptStats accept_stats_;
  std::vector<Listener> listeners_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_TCPSERVER_H_
