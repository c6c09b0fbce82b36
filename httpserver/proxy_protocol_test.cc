// Servers behind a proxy that speaks the PROXY protocol: TcpServer and HttpServer with
// Options::proxy_protocol, and their drain. The receiver itself: netutil/proxy_protocol_test.cc.
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/netutil/proxy_header.h"

namespace squall {
namespace {

using testing::HasSubstr;

constexpr char kLine[] = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
constexpr char kWho[] = "GET /who HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

HttpServerOptions Behind(ProxyProtocolOptions proxy = {.trusted = {"127.0.0.1"}}) {
  HttpServerOptions options;
  options.proxy_protocol = std::move(proxy);
  return options;
}

class ProxiedHttpTest : public testing::Test {
 protected:
  ProxiedHttpTest() {
    app_.Route("/who", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(absl::StrCat(std::string(e.connection->remote_ip()), " ",
                                       e.connection->peer().ToString()))
                     .IgnoreError();
               }});
  }

  void Drain(HttpServerThread& server, absl::Duration idle_close_after) {
    server.Run([&] {
      server.server().Drain({.idle_close_after = idle_close_after}, [this] { drained_ = true; });
    });
  }
  void AwaitDrained() {
    for (int i = 0; i < 20000 && !drained_; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(drained_);
  }

  TestApp app_;
  std::atomic<bool> drained_{false};
};

TEST_F(ProxiedHttpTest, TheHandlerSeesTheClient) {
  HttpServerThread server(app_, Behind());
  RawClient client(server.port());
  client.Send(absl::StrCat(kLine, kWho));
  EXPECT_EQ(client.ReadResponse().body, "192.0.2.1 192.0.2.1:56324");
  // The header counts for the whole connection.
  client.Send(kWho);
  EXPECT_EQ(client.ReadResponse().body, "192.0.2.1 192.0.2.1:56324");
}

TEST_F(ProxiedHttpTest, VersionTwoOneOctetPerSegment) {
  ProxyHeader header;
  header.version = 2;
  header.source = SocketAddress::Parse("[2001:db8::1]:4").value();
  header.destination = SocketAddress::Parse("[2001:db8::2]:5").value();
  HttpServerThread server(app_, Behind());
  RawClient client(server.port());
  client.SendSlowly(FormatProxyHeader(header, ProxyChecksum::kCrc32c).value() + kWho);
  EXPECT_EQ(client.ReadResponse().body, "2001:db8::1 [2001:db8::1]:4");
}

TEST_F(ProxiedHttpTest, FieldsOfTheRequestComeOnTopOfIt) {
  HttpServerOptions options = Behind();
  options.xheaders = true;
  HttpServerThread server(app_, options);
  RawClient client(server.port());
  client.Send(
      absl::StrCat(kLine, "GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"));
  // Whom the header names is no proxy that anybody trusts.
  EXPECT_EQ(client.ReadResponse().body, "192.0.2.1 192.0.2.1:56324");

  options.trusted_downstream = {"192.0.2.0/24"};
  HttpServerThread trusting(app_, options);
  RawClient behind(trusting.port());
  behind.Send(
      absl::StrCat(kLine, "GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"));
  EXPECT_EQ(behind.ReadResponse().body, "203.0.113.5 192.0.2.1:56324");
}

TEST_F(ProxiedHttpTest, WithoutAHeaderTheConnectionIsClosed) {
  HttpServerThread server(app_, Behind());
  RawClient client(server.port());
  client.Send(kWho);
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_EQ(app_.started, 0);
}

TEST_F(ProxiedHttpTest, ASecondHeaderIsNoRequest) {
  HttpServerThread server(app_, Behind());
  RawClient client(server.port());
  client.Send(absl::StrCat(kLine, "PROXY TCP4 10.0.0.1 10.0.0.1 1 1\r\n", kWho));
  EXPECT_EQ(client.ReadResponse().status, 400);
}

TEST_F(ProxiedHttpTest, UntrustedSources) {
  {
    HttpServerThread server(app_, Behind({.trusted = {"10.0.0.0/8"}}));
    RawClient client(server.port());
    client.Send(absl::StrCat(kLine, kWho));
    EXPECT_EQ(client.ReadAll(), "");
  }
  HttpServerThread server(
      app_, Behind({.trusted = {"10.0.0.0/8"}, .untrusted = UntrustedSource::kServe}));
  RawClient client(server.port());
  client.Send(kWho);
  EXPECT_THAT(client.ReadResponse().body, HasSubstr("127.0.0.1 127.0.0.1:"));
  // A header of theirs is a bad request.
  RawClient liar(server.port());
  liar.Send(absl::StrCat(kLine, kWho));
  EXPECT_EQ(liar.ReadResponse().status, 400);
}

TEST_F(ProxiedHttpTest, ASlowHeaderIsCutOff) {
  HttpServerThread server(app_,
                          Behind({.trusted = {"127.0.0.1"}, .timeout = absl::Milliseconds(50)}));
  RawClient client(server.port());
  client.Send("PROXY TCP4 ");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ProxiedHttpTest, ADrainAnswersWhoseHeaderIsNotThereYet) {
  HttpServerThread server(app_, Behind());
  RawClient client(server.port());
  client.Send("PROXY TCP4 ");
  RawClient witness(server.port());
  witness.Send(absl::StrCat(kLine, kWho));
  ASSERT_EQ(witness.ReadResponse().status, 200);  // so the other one is accepted, too
  witness.Close();
  Drain(server, absl::Hours(1));
  EXPECT_TRUE(client.Quiet());
  EXPECT_FALSE(drained_);
  client.Send(absl::StrCat("192.0.2.1 198.51.100.7 56324 443\r\n", kWho));
  const RawClient::Response response = client.ReadResponse();
  EXPECT_EQ(response.body, "192.0.2.1 192.0.2.1:56324");
  EXPECT_EQ(response.Field("Connection"), "close");
  client.Close();
  AwaitDrained();
}

TEST_F(ProxiedHttpTest, ADrainClosesTheSilent) {
  HttpServerThread server(app_, Behind({.trusted = {"127.0.0.1"}, .timeout = absl::Hours(1)}));
  RawClient client(server.port());
  client.Send("PROXY TCP4 ");
  RawClient witness(server.port());
  witness.Send(absl::StrCat(kLine, kWho));
  ASSERT_EQ(witness.ReadResponse().status, 200);
  witness.Close();
  Drain(server, absl::Milliseconds(50));
  EXPECT_TRUE(client.AtEnd());
  AwaitDrained();
}

TEST_F(ProxiedHttpTest, CloseAllConnections) {
  HttpServerThread server(app_, Behind({.trusted = {"127.0.0.1"}, .timeout = absl::Hours(1)}));
  RawClient client(server.port());
  client.Send("PROXY TCP4 ");
  RawClient witness(server.port());
  witness.Send(absl::StrCat(kLine, kWho));
  ASSERT_EQ(witness.ReadResponse().status, 200);
  server.Run([&] { server.server().CloseAllConnections(); });
  EXPECT_TRUE(client.AtEnd());
}

// A sender that is not ours.
TEST_F(ProxiedHttpTest, Curl) {
  HttpServerThread server(app_, Behind());
  const std::string command = absl::StrCat(
      "curl -sS --max-time 20 --haproxy-protocol http://127.0.0.1:", server.port(), "/who");
  FILE* const curl = ::popen(command.c_str(), "r");
  ASSERT_NE(curl, nullptr);
  char output[200] = "";
  ASSERT_NE(std::fgets(output, sizeof output, curl), nullptr);
  EXPECT_EQ(::pclose(curl), 0);
  EXPECT_THAT(output, HasSubstr("127.0.0.1 127.0.0.1:"));
}

TEST(HttpServerOptionsTest, NamesWhatIsWrongWithTheProxyProtocol) {
  EXPECT_THAT(Validate(Behind()), IsOk());
  EXPECT_THAT(Validate(Behind({})), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("http.proxy_protocol.trusted is empty")));
}

class WhoServer : public TcpServer {
 public:
  WhoServer() : TcpServer(ServerOptions()) {}

  Task<> HandleStream(IOStream stream, SocketAddress peer) override {
    (co_await stream.Write(peer.ToString())).IgnoreError();
  }

  ProxyHeader last;

 private:
  static Options ServerOptions() {
    Options options;
    options.proxy_protocol = ProxyProtocolOptions{.trusted = {"127.0.0.1"}};
    return options;
  }

  void HandleProxiedConnection(UniqueFd connection, SocketAddress peer,
                               ProxyHeader header) override {
    last = header;
    TcpServer::HandleProxiedConnection(std::move(connection), peer, std::move(header));
  }
};

TEST(ProxiedTcpServerTest, HandleStreamGetsTheClientAndTheHeaderIsThere) {
  WhoServer server;
  ASSERT_THAT(server.Listen(0, {.address = "127.0.0.1"}), IsOk());
  const uint16_t port = server.addresses().front().port();
  IOLoop& loop = IOLoop::Current();
  std::thread client([&] {
    RawClient client_socket(port);
    client_socket.SendSlowly(kLine);
    EXPECT_EQ(client_socket.ReadAll(), "192.0.2.1:56324");
    loop.AddCallback([&] { loop.Stop(); });
  });
  loop.Start();
  client.join();
  EXPECT_EQ(server.last.destination.ToString(), "198.51.100.7:443");
}

TEST(ProxiedTcpServerTest, ADrainWaitsForWhoseHeaderIsNotThereYet) {
  WhoServer server;
  ASSERT_THAT(server.Listen(0, {.address = "127.0.0.1"}), IsOk());
  const uint16_t port = server.addresses().front().port();
  IOLoop& loop = IOLoop::Current();
  std::atomic<bool> done{false};
  std::thread client([&] {
    RawClient slow(port);
    slow.Send("PROXY TCP4 ");
    RawClient witness(port);
    witness.Send(kLine);
    EXPECT_EQ(witness.ReadAll(), "192.0.2.1:56324");  // so the other one is accepted, too
    loop.AddCallback([&] { server.Drain({}, [&] { done = true; }); });
    EXPECT_TRUE(slow.Quiet());
    EXPECT_FALSE(done);
    slow.Send("192.0.2.9 198.51.100.7 1 443\r\n");
    EXPECT_EQ(slow.ReadAll(), "192.0.2.9:1");
    loop.AddCallback([&] { loop.CallLater(absl::Milliseconds(1), [&] { loop.Stop(); }).Detach(); });
  });
  loop.Start();
  client.join();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace squall
