// A non-blocking HTTP/1.1 server in one process, Tornado's HTTPServer.
//
//   squall::Application app{{"/", squall::Handler<MainHandler>()}};
//   squall::HttpServer server(app);
//   QCHECK_OK(server.Listen(8888));
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
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"

namespace squall {

namespace internal {
class HttpServerCore;
}  // namespace internal

// Options of an HttpServer; Tornado's names where Tornado has the thing. A duration of
// absl::InfiniteDuration() switches its timeout off.
struct HttpServerOptions {
  // Every answer closes its connection.
  bool no_keep_alive = false;

  // Behind a proxy: remote_ip() comes from X-Real-Ip or X-Forwarded-For, protocol() from X-Scheme
  // or X-Forwarded-Proto. Anybody who can connect can send these, so only behind a proxy.
  bool xheaders = false;
  // Proxies to skip from the right of X-Forwarded-For: addresses or CIDR ("10.0.0.0/8"). An entry
  // that is neither is a CHECK failure in the constructor.
  std::vector<std::string> trusted_downstream;

  // What protocol() says, for instance "https" behind a proxy that ends TLS. Unset: the
  // transport's.
  std::optional<std::string> protocol;

  // Request bodies with Content-Encoding gzip reach the delegate decompressed, and the field is
  // renamed X-Consumed-Content-Encoding. The decompressed size counts against max_body_size too.
  bool decompress_request = false;

  size_t chunk_size = 64 * 1024;       // most octets per DataReceived()
  size_t max_header_size = 64 * 1024;  // request line and fields; 431 or 414 above
  // 413 above; a delegate that streams raises it per request with SetMaxBodySize().
  uint64_t max_body_size = 1024 * 1024;

  absl::Duration header_timeout = absl::Seconds(15);  // whole head, from accept or first octet: 408
  absl::Duration body_timeout = absl::Seconds(60);    // whole body: 408
  absl::Duration idle_connection_timeout = absl::Seconds(75);  // between requests: silent close
  absl::Duration write_timeout = absl::Seconds(60);  // without any progress of the client's reading

  // Marks of the write buffer: Drained() suspends above the high one until below the low one, and
  // no further pipelined request is served above the high one.
  size_t write_high_mark = 256 * 1024;
  size_t write_low_mark = 64 * 1024;

  // Requests of one connection served in one go before the loop's other work has its turn.
  int pipeline_burst = 16;

  // Lingering close behind an error or early answer: what is discarded at most before the close.
  absl::Duration linger_timeout = absl::Seconds(2);
  uint64_t linger_bytes = 1024 * 1024;

  AcceptPolicy accept_policy = AcceptPolicy::kExclusive;
  int accept_budget = 1;  // accepts per wake-up
};

// How the server is to stop, as the worker's drain says it (process/worker.h).
struct HttpDrainOptions {
  // Keep-alive connections that stay silent are closed after this time. Until then their next
  // request is answered, with `Connection: close`.
  absl::Duration idle_close_after = absl::Seconds(24);
};

class HttpServer : public TcpServer {
 public:
  // `app` is not owned and must outlive the server.
  explicit HttpServer(HttpServerConnectionDelegate& app, HttpServerOptions options = {});
  // Closes every connection at once. Use Drain() first to lose nothing.
  ~HttpServer() override;

  // Stops accepting and closes this process's listeners at once; answers what is in flight and the
  // next request of each kept connection with `Connection: close`; closes silent connections after
  // idle_close_after; then calls `done` once, from the loop, when no connection is left. A second
  // call brings idle_close_after forward if it is sooner and adds its `done`. In a worker of
  // ForkProcesses() the worker's drain calls this.
  void Drain(const HttpDrainOptions& options, absl::AnyInvocable<void()> done);

  // Stops no listener and closes every connection at once; exchanges in flight get
  // OnConnectionClose() (Tornado's close_all_connections).
  void CloseAllConnections();

  // Connections open now.
  size_t connection_count() const;

 protected:
  void HandleConnection(UniqueFd connection, SocketAddress peer) override;
  void OnSocketsAdded() override;

 private:
  std::unique_ptr<internal::HttpServerCore> core_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTPSERVER_H_
