// A non-blocking HTTP/1.1 server in one process, Tornado's HTTPServer.
//
//   squall::Application app{{"/", squall::Handler<MainHandler>()}};
//   squall::HttpServer server(app);
//   if (auto status = server.Listen(8888); !status.ok()) LOG(FATAL) << status;
//   squall::IOLoop::Current().Start();
//
// Pre-forked, with one server per worker:
//
//   auto sockets = squall::BindSockets(8888).value();
//   squall::ForkProcesses(0).value();
//   squall::HttpServer server(app);
//   server.AddSockets(std::move(sockets));
//   squall::IOLoop::Current().Start();
//
// In a worker of ForkProcesses() the server counts into the worker's scoreboard row and takes part
// in the worker's drain by itself.
#ifndef SQUALL_HTTPSERVER_HTTPSERVER_H_
#define SQUALL_HTTPSERVER_HTTPSERVER_H_

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/netutil/accept_standing.h"
#include "squall/netutil/address.h"
#include "squall/process/drain.h"

namespace squall {

namespace internal {
class HttpServerCore;
}  // namespace internal

class HttpServer : public TcpServer {
 public:
  // `app` is not owned and must outlive the server. CHECK-fails on options that Validate() refuses,
  // with its sentence: ask that first about options that are not the program's own.
  explicit HttpServer(HttpServerConnectionDelegate& app, HttpServerOptions options = {});
  // Closes every connection at once. Use Drain() first to lose nothing.
  ~HttpServer() override;

  // Stops accepting and closes this process's listeners at once; answers what is in flight and the
  // next request of each kept connection with `Connection: close`; closes silent connections after
  // idle_close_after; then calls `done` once, from the loop, when no connection is left. A second
  // call brings idle_close_after forward if it is sooner and adds its `done`. If the pool ends, as
  // TcpServer::Drain(). In a worker of ForkProcesses() the worker's drain calls this.
  void Drain(const DrainRequest& request, absl::AnyInvocable<void()> done) override;

  // Stops no listener and closes every connection at once; exchanges in flight get
  // OnConnectionClose() (Tornado's close_all_connections).
  void CloseAllConnections();

  // Connections open now.
  size_t connection_count() const override;

 protected:
  void HandleConnection(UniqueFd connection, SocketAddress peer) override;
  void OnWaitingForHeader(size_t connections) override;
  void OnSocketsAdded() override;
  AcceptStanding StandingAmongSiblings() override;

 private:
  std::unique_ptr<internal::HttpServerCore> core_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTPSERVER_H_
