// A whole connection: what a server sends must not depend on how the octets of its client are cut.
// The server and its client are one thread: a socket pair, and a loop that is run step by step. The
// first octet of an input chooses the cuts.
//
//   bazel run --config=fuzz //httpserver:http1_connection_fuzz_test -- -max_total_time=600 DIR
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_server_core.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/transport.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Tells what it has got; switches protocols for who asks.
class Echo : public HttpServerConnectionDelegate {
 public:
  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override {
    return std::make_unique<Message>(connection);
  }

 private:
  class Message : public HttpMessageDelegate {
   public:
    explicit Message(HttpConnection& connection) : connection_(connection) {}
    void DataReceived(std::string_view data) override { body_.append(data); }
    void Finish() override {
      ResponseHead head;
      if (connection_.head().upgrade()) {
        head.status = 101;
        head.headers.Set("Upgrade", "foo");
        connection_.SwitchProtocols(head, [](std::unique_ptr<Transport>) {}).IgnoreError();
        return;
      }
      std::string text(connection_.head().path());
      text.append(" ").append(connection_.head().host()).append(" ").append(body_);
      head.headers.Set("Date", "now");
      connection_.FinishWith(head, text).IgnoreError();
    }

   private:
    HttpConnection& connection_;
    std::string body_;
  };
};

// One look at the sockets: it comes between the two callbacks.
void Step() {
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([&loop] { loop.AddCallback([&loop] { loop.Stop(); }); });
  loop.Start();
}

// What comes back when `input` is sent in pieces of lengths that `seed` chooses; 0: whole.
std::string Converse(std::string_view input, uint32_t seed) {
  Echo app;
  HttpServerOptions options{.max_header_size = 2000, .max_body_size = 300, .pipeline_burst = 3};
  options.decompress_request = true;
  internal::HttpServerCore core(app, options);
  int pair[2];
  Require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0,
          "no socket pair");
  const UniqueFd client(pair[0]);
  core.Accept(UniqueFd(pair[1]), SocketAddress());
  std::string output;
  const auto read = [&] {
    char data[65536];
    for (ssize_t size; (size = ::recv(client.get(), data, sizeof data, 0)) > 0;) {
      output.append(data, static_cast<size_t>(size));
    }
  };
  uint32_t state = seed * 2654435761u + 1;
  while (!input.empty()) {
    state = state * 1664525u + 1013904223u;
    const size_t size = seed == 0 ? input.size() : (state >> 16) % (state >> 30 == 0 ? 200 : 4) + 1;
    const std::string_view piece = input.substr(0, size);
    input.remove_prefix(piece.size());
    if (::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    Step();
    read();
  }
  ::shutdown(client.get(), SHUT_WR);
  for (int i = 0; core.connection_count() > 0; ++i) {
    Require(i < 10000, "the connection does not end");
    Step();
    read();
  }
  Step();
  read();
  for (size_t at; (at = output.find("\r\nDate: ")) != std::string::npos;) {
    output.erase(at, output.find('\r', at + 2) - at);
  }
  return output;
}

void Check(std::string_view input) {
  static const bool quiet = [] {
    InitLogging({.min_level = LogLevel::kError});
    return true;
  }();
  (void)quiet;
  if (input.empty() || input.size() > 20000) return;
  const uint32_t seed = static_cast<unsigned char>(input[0]) + 1;
  input.remove_prefix(1);
  Require(Converse(input, 0) == Converse(input, seed), "segments differ from the whole");
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
