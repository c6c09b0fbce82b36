// An HttpServer with its loop in a thread of its own, on a free port, for tests that talk to it
// with blocking sockets.
//
//   squall::HttpServerThread server(app, {.max_body_size = 4096});
//   squall::RawClient client(server.port());
//   server.Run([&] { server.server().CloseAllConnections(); });   // in the loop's thread
//
// For tests alone, ours and our users'.
#ifndef SQUALL_HTTPSERVER_HTTP_SERVER_THREAD_H_
#define SQUALL_HTTPSERVER_HTTP_SERVER_THREAD_H_

#include <cstdint>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/logging.h"
#include "squall/httpserver/httpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"

namespace squall {

class HttpServerThread {
 public:
  explicit HttpServerThread(HttpServerConnectionDelegate& app, HttpServerOptions options = {})
      : HttpServerThread(app, std::move(options),
                         std::move(BindSockets(0, {.address = "127.0.0.1"}).value())) {}

  HttpServerThread(HttpServerConnectionDelegate& app, HttpServerOptions options,
                   std::vector<ListenSocket> sockets)
      : address_(sockets.front().address()) {
    std::promise<void> ready;
    thread_ = std::thread([&] {
      loop_ = &IOLoop::Current();
      server_ = std::make_unique<HttpServer>(app, std::move(options));
      server_->AddSockets(std::move(sockets));
      loop_->AddCallback([&] { ready.set_value(); });
      loop_->Start();
      server_.reset();
    });
    ready.get_future().wait();
  }

  ~HttpServerThread() {
    loop_->AddCallback([this] { loop_->Stop(); });
    thread_.join();
  }

  uint16_t port() const { return address_.port(); }
  const SocketAddress& address() const { return address_; }
  HttpServer& server() { return *server_; }
  IOLoop& loop() { return *loop_; }

  // Runs `callback` in the loop's thread and waits until it has returned.
  void Run(absl::AnyInvocable<void()> callback) {
    std::promise<void> done;
    loop_->AddCallback([&] {
      callback();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  SocketAddress address_;
  std::thread thread_;
  IOLoop* loop_ = nullptr;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP_SERVER_THREAD_H_
