// HttpConnection::SwitchProtocols() with a small protocol: each line comes back in angle brackets.
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/iostream.h"

namespace squall {
namespace {

constexpr char kUpgrade[] =
    "GET /lines HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: lines/1\r\n\r\n";
constexpr char kAnswer[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: lines/1\r\nConnection: Upgrade\r\n\r\n";

Task<void> EchoLines(std::unique_ptr<Transport> transport) {
  IOStream stream(std::move(transport));
  while (true) {
    absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n");
    if (!line.ok()) co_return;
    line->pop_back();
    absl::Status written = co_await stream.Write("<" + *line + ">\n");
    if (!written.ok()) co_return;
  }
}

ResponseHead Switch() {
  ResponseHead head{.status = 101};
  head.headers.Set("Upgrade", "lines/1");
  return head;
}

class SwitchProtocolsTest : public testing::Test {
 protected:
  SwitchProtocolsTest() {
    app_.Route("/lines", {.finish = [this](TestApp::Exchange& e) { Lines(e); }});
    app_.Route("/later", {.finish = [this](TestApp::Exchange& e) {
                 e.connection->loop().AddCallback([this, self = e.self] { Lines(*self); });
               }});
  }

  void Lines(TestApp::Exchange& e) {
    IOLoop& loop = e.connection->loop();
    const absl::Status status = e.connection->SwitchProtocols(
        Switch(),
        [&loop, marker = std::make_shared<Marker>(*this)](std::unique_ptr<Transport> transport) {
          loop.Spawn(EchoLines(std::move(transport)));
        });
    if (status.ok()) return;
    refused_ = status;
    ResponseHead head{.status = 426};
    head.headers.Set("Upgrade", "lines/1");
    e.connection->FinishWith(head, "").IgnoreError();
  }

  // Tells that what takes over was destroyed.
  struct Marker {
    explicit Marker(SwitchProtocolsTest& test) : test(test) {}
    ~Marker() { ++test.forgotten_; }
    SwitchProtocolsTest& test;
  };

  TestApp app_;
  absl::Status refused_;
  std::atomic<int> forgotten_{0};
};

TEST_F(SwitchProtocolsTest, OctetsBehindTheRequestAreTheNewProtocols) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(std::string(kUpgrade) + "one\ntw");
  EXPECT_EQ(client.ReadUntil("<one>\n"), std::string(kAnswer) + "<one>\n");
  client.Send("o\nthree\n");
  EXPECT_EQ(client.ReadUntil("<three>\n"), "<two>\n<three>\n");
}

TEST_F(SwitchProtocolsTest, BehindAFileThatWaits) {
  std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/file.XXXXXX";
  const auto file = std::make_shared<const UniqueFd>(::mkstemp(path.data()));
  ASSERT_EQ(::unlink(path.c_str()), 0);
  for (const size_t size : {20'000, 3 << 20}) {
    ASSERT_EQ(::ftruncate(file->get(), static_cast<off_t>(size)), 0);
    app_.Route("/file", {.finish = [&](TestApp::Exchange& e) {
                 std::exchange(e.connection, nullptr)
                     ->FinishWithFile(ResponseHead(), {.file = file, .size = size})
                     .IgnoreError();
               }});
    HttpServerThread server(app_, {.write_high_mark = 16 << 20});
    RawClient client(server.port(), {.receive_buffer = 4096});
    client.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kUpgrade) + "one\n");
    EXPECT_TRUE(client.ReadResponse().body == std::string(size, '\0')) << size;
    EXPECT_EQ(client.ReadUntil("<one>\n"), std::string(kAnswer) + "<one>\n");
  }
}

TEST_F(SwitchProtocolsTest, OctetByOctetBehindAnotherRequestAndLater) {
  HttpServerThread server(app_);
  for (const std::string path : {"/lines", "/later"}) {
    RawClient client(server.port());
    std::string upgrade = kUpgrade;
    upgrade.replace(upgrade.find("/lines"), 6, path);
    client.SendSlowly("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" + upgrade + "one\n");
    EXPECT_EQ(client.ReadResponse().body, "Hello world");
    EXPECT_EQ(client.ReadUntil("<one>\n"), std::string(kAnswer) + "<one>\n");
    RawClient whole(server.port());
    whole.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" + upgrade + "GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(whole.ReadResponse().body, "Hello world");
    EXPECT_EQ(whole.ReadUntil("<\r>\n"), std::string(kAnswer) + "<GET / HTTP/1.1\r>\n<\r>\n");
  }
}

TEST_F(SwitchProtocolsTest, TheConnectionIsNoLongerTheServers) {
  HttpServerThread server(app_, {.idle_connection_timeout = absl::Milliseconds(100)});
  RawClient client(server.port());
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), kAnswer);
  RawClient idle(server.port());
  idle.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(idle.ReadResponse().status, 200);
  EXPECT_TRUE(idle.AtEnd()) << "which lasts as long as the idle timeout";
  client.Send("one\n");
  EXPECT_EQ(client.ReadUntil("\n"), "<one>\n");
  server.Run([&] { server.server().CloseAllConnections(); });
  client.Send("two\n");
  EXPECT_EQ(client.ReadUntil("\n"), "<two>\n");
}

TEST_F(SwitchProtocolsTest, WhoDidNotAskIsAnsweredInHttp) {
  HttpServerThread server(app_);
  for (const std::string fields : {"", "Upgrade: lines/1\r\n", "Connection: Upgrade\r\n"}) {
    RawClient client(server.port());
    client.Send("GET /lines HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    const RawClient::Response response = client.ReadResponse();
    EXPECT_EQ(response.status, 426);
    EXPECT_EQ(response.Field("Connection"), "Upgrade") << "RFC 9110 7.8";
    server.Run([&] { EXPECT_EQ(refused_.code(), absl::StatusCode::kFailedPrecondition); });
  }
}

// RFC 9110 7.8: a server must not switch to what the client did not offer.
TEST_F(SwitchProtocolsTest, OnlyToWhatTheClientOffers) {
  HttpServerThread server(app_);
  const auto request = [](const std::string& offer) {
    return "GET /lines HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + offer +
           "\r\n\r\n";
  };
  for (const char* offer : {"foo/1", "lines", "lines/2", "lines/10", "lines/1 x", "foo, bar", ""}) {
    RawClient client(server.port());
    client.Send(request(offer));
    EXPECT_EQ(client.ReadResponse().status, 426) << offer;
    server.Run([&] { EXPECT_EQ(refused_.code(), absl::StatusCode::kInvalidArgument) << offer; });
  }
  server.Run([&] { EXPECT_EQ(refused_.message(), "the client offers \"\" and not \"lines/1\""); });
  for (const char* offer : {"foo/1, lines/1", "LINES/1", "foo\r\nUpgrade: lines/1,bar"}) {
    RawClient client(server.port());
    client.Send(request(offer));
    EXPECT_EQ(client.ReadUntil("\r\n\r\n"), kAnswer) << offer;
  }
}

// All layers of it are named, as in "TLS/1.0, lines/1".
TEST_F(SwitchProtocolsTest, EachProtocolOfTheAnswerIsOneOfTheOffers) {
  std::vector<absl::StatusCode> codes;
  app_.Route("/layers", {.finish = [&](TestApp::Exchange& e) {
               for (const char* protocols : {"lines/1, foo", "", "foo,lines/1"}) {
                 ResponseHead head{.status = 101};
                 head.headers.Set("Upgrade", protocols);
                 codes.push_back(e.connection->SwitchProtocols(head, [](auto) {}).code());
               }
               e.Answer("in HTTP").IgnoreError();
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  std::string request = kUpgrade;
  request.replace(request.find("/lines"), 6, "/layers");
  client.Send(request);
  EXPECT_EQ(client.ReadResponse().body, "in HTTP");
  server.Run([&] {
    EXPECT_EQ(codes, std::vector<absl::StatusCode>(3, absl::StatusCode::kInvalidArgument));
  });
}

TEST_F(SwitchProtocolsTest, AHeadThatSwitchesNothingIsRefusedAndAnotherAnswerMayCome) {
  std::vector<absl::StatusCode> codes;
  app_.Route("/wrong", {.finish = [&](TestApp::Exchange& e) {
               const auto attempt = [&](const ResponseHead& head) {
                 codes.push_back(e.connection->SwitchProtocols(head, [](auto) {}).code());
               };
               ResponseHead head = Switch();
               head.status = 200;
               attempt(head);
               attempt(ResponseHead{.status = 101});
               head = Switch();
               head.headers.Set("Content-Length", "0");
               attempt(head);
               e.Answer("in HTTP").IgnoreError();
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  std::string request = kUpgrade;
  request.replace(request.find("/lines"), 6, "/wrong");
  client.Send(request + "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "in HTTP");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  server.Run([&] {
    EXPECT_EQ(codes, std::vector<absl::StatusCode>(3, absl::StatusCode::kInvalidArgument));
  });
}

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// HttpServerOptions::http2, which echoes lines here.
TEST_F(SwitchProtocolsTest, ThePrefaceOfHttp2) {
  std::atomic<int> taken{0};
  HttpServerOptions options;
  options.http2 = [&](std::unique_ptr<Transport> transport, const SocketAddress& peer) {
    EXPECT_EQ(peer.host(), "127.0.0.1");
    ++taken;
    IOLoop::Current().Spawn(EchoLines(std::move(transport)));
  };
  HttpServerThread server(app_, options);
  const std::string echoed = "<PRI * HTTP/2.0\r>\n<\r>\n<SM\r>\n<\r>\n";
  RawClient whole(server.port());
  whole.Send(std::string(kPreface) + "more\n");
  EXPECT_EQ(whole.ReadUntil("<more>\n"), echoed + "<more>\n");
  RawClient slow(server.port());
  slow.SendSlowly(kPreface);
  slow.Send("more\n");
  EXPECT_EQ(slow.ReadUntil("<more>\n"), echoed + "<more>\n");
  EXPECT_EQ(taken, 2);
  server.Run([&] { EXPECT_EQ(server.server().connection_count(), 0u); });
  for (const std::string other : {"GET * HTTP/2.0\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n",
                                  "PRI * HTTP/3.0\r\n\r\n", "PRI * HTTP/2.1\r\n\r\n"}) {
    RawClient client(server.port());
    client.Send(other);
    EXPECT_EQ(client.ReadResponse().status, 505) << other;
  }
  RawClient late(server.port());
  late.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(late.ReadResponse().body, "Hello world");
  late.Send(kPreface);
  EXPECT_EQ(late.ReadResponse().status, 505) << "which is not the first of its connection";
  EXPECT_EQ(taken, 2);
}

TEST_F(SwitchProtocolsTest, WithoutHttp2ThePrefaceIsRefused) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(kPreface);
  EXPECT_EQ(client.ReadResponse().status, 505);
}

TEST_F(SwitchProtocolsTest, AClientThatTakesNothingIsForgotten) {
  app_.Route("/large", {.finish = [](TestApp::Exchange& e) {
               e.Answer(std::string(16 << 20, 'x')).IgnoreError();
             }});
  HttpServerThread server(app_, {.write_timeout = absl::Milliseconds(200),
                                 .write_high_mark = 32 << 20,
                                 .max_write_buffer_size = 32 << 20});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kUpgrade));
  while (forgotten_ == 0) std::this_thread::yield();
  server.Run([&] { EXPECT_EQ(server.server().connection_count(), 0u); });
}

}  // namespace
}  // namespace squall
