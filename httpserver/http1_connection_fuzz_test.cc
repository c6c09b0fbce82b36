// A whole connection: what a server sends must not depend on how the octets of its client are cut.
// The server and its client are one thread: a socket pair, and a loop that is run step by step. The
// first octet of an input chooses the cuts.
//
//   bazel run --config=fuzz //httpserver:http1_connection_fuzz_test -- -max_total_time=600 DIR
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
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

// Tells what it has got; the path's first letter says how:
//   /e  before the body       /p  pauses behind each piece of the body
//   /s  in pieces, each in a turn of its own, chunked or to the end of the connection
//   /l  in a later turn       /r  refuses when the body comes
// and the connection ends behind the answer to /c. Switches protocols for who asks.
class Echo : public HttpServerConnectionDelegate {
 public:
  explicit Echo(bool pauses) : pauses_(pauses) {}
  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override {
    return std::make_unique<Message>(connection, pauses_);
  }

 private:
  class Message : public HttpMessageDelegate {
   public:
    Message(HttpConnection& connection, bool pauses)
        : connection_(std::make_shared<HttpConnection*>(&connection)) {
      const std::string_view path = connection.head().path();
      kind_ = path.size() > 1 ? path[1] : '\0';
      if (kind_ == 'p' && !pauses) kind_ = '\0';
    }
    ~Message() override { *connection_ = nullptr; }
    void HeadersReceived() override {
      if (kind_ == 'c') connection().CloseAfterResponse();
      if (kind_ == 'e') Answer();
    }
    void DataReceived(std::string_view data) override {
      CHECK(!paused_) << "a piece of a body for a delegate that has paused";
      body_.append(data);
      if (kind_ == 'r' && !connection().response_started()) {
        connection().FinishWithError(422, "not this\n");
      }
      if (kind_ != 'p') return;
      paused_ = true;
      connection().PauseReading();
      InTheNextTurn([this] {
        paused_ = false;
        connection().ResumeReading();
      });
    }
    void Finish() override {
      CHECK(!paused_) << "the end of a body for a delegate that has paused";
      if (connection().head().upgrade()) return Switch();
      if (kind_ == 's') return Begin();
      if (kind_ == 'l') return InTheNextTurn([this] { Answer(); });
      if (!connection().response_started()) Answer();
    }
    void OnConnectionClose() override { *connection_ = nullptr; }

   private:
    HttpConnection& connection() { return **connection_; }
    void InTheNextTurn(std::function<void()> what) {
      IOLoop::Current().AddCallback([connection = connection_, what = std::move(what)] {
        if (*connection != nullptr) what();
      });
    }
    void Switch() {
      ResponseHead head{.status = 101};
      head.headers.Set("Upgrade", connection().head().headers().GetJoined("Upgrade"));
      // Refused when it names nothing.
      if (!connection().SwitchProtocols(head, [](std::unique_ptr<Transport>) {}).ok()) Answer();
    }
    void Answer() {
      std::string text(connection().head().path());
      text.append(" ").append(connection().head().host()).append(" ").append(body_);
      ResponseHead head;
      head.headers.Set("Date", "now");
      connection().FinishWith(head, text).IgnoreError();
    }
    void Begin() {
      ResponseHead head;
      head.headers.Set("Date", "now");
      const std::string_view first = std::string_view(body_).substr(0, 3);
      if (!connection().WriteHead(head, first).ok()) return;
      InTheNextTurn([this] {
        if (!connection()
                 .Write(std::string_view(body_).substr(std::min<size_t>(3, body_.size())))
                 .ok())
          return;
        InTheNextTurn([this] { connection().Finish().IgnoreError(); });
      });
    }

    // Null when the exchange is over.
    const std::shared_ptr<HttpConnection*> connection_;
    char kind_;
    bool paused_ = false;
    std::string body_;
  };

  const bool pauses_;
};

// One look at the sockets: it comes between the two callbacks.
void Step() {
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([&loop] { loop.AddCallback([&loop] { loop.Stop(); }); });
  loop.Start();
}

// What comes back when `input` is sent in pieces of lengths that `seed` chooses; 0: whole. The client
// shuts down its side at once, or when it gets no more. Who leaves in a body that is paused is not
// told what else is wrong with it, so nothing pauses in the first case.
std::string Converse(std::string_view input, uint32_t seed, bool ends_at_once) {
  Echo app(/*pauses=*/!ends_at_once);
  HttpServerOptions options{.max_header_size = 2000, .max_body_size = 300, .pipeline_burst = 3};
  options.decompress_request = true;
  internal::HttpServerCore core(app, options);
  int pair[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0)
      << "no socket pair";
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
  const size_t kTurnsOfAnAnswer = 5;
  for (size_t quiet = 0;
       !ends_at_once && quiet < kTurnsOfAnAnswer && core.connection_count() > 0;) {
    const size_t before = output.size();
    Step();
    read();
    quiet = output.size() == before ? quiet + 1 : 0;
  }
  ::shutdown(client.get(), SHUT_WR);
  for (int i = 0; core.connection_count() > 0; ++i) {
    CHECK(i < 10000) << "the connection does not end";
    Step();
    read();
  }
  Step();
  read();
  // The second one: whether the client's end was seen before its last answer. What it ends is seen by
  // what does not come.
  for (const std::string_view field : {"\r\nDate: ", "\r\nConnection: close"}) {
    for (size_t at; (at = output.find(field)) != std::string::npos;) {
      output.erase(at, output.find('\r', at + 2) - at);
    }
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
  const std::string whole = Converse(input, 0, seed % 2 == 0);
  const std::string pieces = Converse(input, seed, seed % 2 == 0);
  CHECK(whole == pieces) << "segments differ from the whole: " << whole
                         << "\nIn pieces: " << pieces;
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
