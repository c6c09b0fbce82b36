// HttpServer and TcpServer over TLS. Tornado's SSLTestMixin (httpserver_test.py) and what else
// differs from a plain socket: requests that come in records, handshakes that never end.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_raw_client.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/drain.h"

namespace squall {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr absl::Duration kDeadline = absl::Seconds(20);

class TlsServerTest : public testing::Test {
 protected:
  TlsServerTest() {
    app_.Route("/secure", {.finish = [](TestApp::Exchange& e) {
                 const TlsTransport* const tls = TlsTransport::From(e.connection->transport());
                 e.Answer(absl::StrCat(std::string(e.connection->protocol()), " ",
                                       tls != nullptr ? tls->alpn() : "plain"))
                     .IgnoreError();
               }});
    app_.Route("/large", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(std::string(4 << 20, 'a')).IgnoreError();
               }});
    auto tls = TlsAcceptor::Create(
        {.certificates = {authority_.Issue().Write("site")}, .alpn = {"http/1.1"}});
    EXPECT_THAT(tls, IsOk());
    tls_ = *std::move(tls);
    client_ = *TlsClientContext::Create({.ca_file = authority_.Write(), .alpn = {"http/1.1"}});
  }
  ~TlsServerTest() override {
    server_.reset();
    IOLoop::ClearCurrent();
  }

  void StartHttp(HttpServerOptions options = {}) {
    options.transport = tls_;
    auto server = std::make_unique<HttpServer>(app_, options);
    ASSERT_THAT(server->Listen(0, {.address = "127.0.0.1"}), IsOk());
    server_ = std::move(server);
  }
  UniqueFd Dial() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->addresses().front().port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  IOStream Connect() {
    return IOStream(MakeTlsTransport(Dial(), client_, "localhost"), {.max_buffer_size = 16 << 20});
  }
  // Sends it, and reads up to `end` or, when that is empty, to the end of the connection.
  absl::StatusOr<std::string> Ask(IOStream* stream, std::string request, std::string end = "") {
    return loop_.RunSync(SendAndRead(stream, std::move(request), std::move(end)), kDeadline);
  }
  static Task<absl::StatusOr<std::string>> SendAndRead(IOStream* stream, std::string request,
                                                       std::string end) {
    Task<absl::Status> written = stream->Write(std::move(request));
    absl::StatusOr<std::string> answer = absl::UnknownError("no answer");
    if (end.empty()) {
      answer = co_await stream->ReadUntilClose();
    } else {
      answer = co_await stream->ReadUntil(std::move(end));
    }
    co_return answer;
  }
  template <typename Condition>
  void WaitFor(Condition condition) {
    for (int i = 0; i < 20000 && !condition(); ++i) ASSERT_THAT(loop_.RunSync(Turn()), IsOk());
    ASSERT_TRUE(condition());
  }
  static Task<> EchoPreface(IOStream stream) {
    absl::StatusOr<std::string> preface = co_await stream.ReadUntil("SM\r\n\r\n");
    EXPECT_THAT(preface, IsOk());
    if (!preface.ok()) co_return;
    absl::Status written = co_await stream.Write(*std::move(preface));
    EXPECT_THAT(written, IsOk());
  }
  static Task<> Turn() { co_await Sleep(absl::Milliseconds(1)); }

  IOLoop& loop_ = IOLoop::Current();
  const internal::TestAuthority authority_{"authority"};
  TestApp app_;
  std::shared_ptr<TlsAcceptor> tls_;
  std::shared_ptr<TlsClientContext> client_;
  std::unique_ptr<TcpServer> server_;
};

std::string Get(const std::string& path, const std::string& fields = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n", fields, "\r\n");
}

// By ALPN it is decided which of the two is spoken; the preface says it to HttpServer.
TEST_F(TlsServerTest, Http2IsTakenUpWithWhatWasAgreedOn) {
  ASSERT_THAT(tls_->Reload(
                  {.certificates = {authority_.Issue().Write("site")}, .alpn = {"h2", "http/1.1"}}),
              IsOk());
  std::string agreed;
  HttpServerOptions options;
  options.http2 = [&](std::unique_ptr<Transport> transport, const SocketAddress&) {
    const TlsTransport* const tls = TlsTransport::From(transport.get());
    agreed = tls != nullptr ? tls->alpn() : "plain";
    loop_.Spawn(EchoPreface(IOStream(std::move(transport))));
  };
  StartHttp(options);
  client_ = *TlsClientContext::Create({.ca_file = authority_.Write(), .alpn = {"h2", "http/1.1"}});
  IOStream http2 = Connect();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  EXPECT_THAT(Ask(&http2, preface, "SM\r\n\r\n"), IsOkAndHolds(preface));
  EXPECT_EQ(agreed, "h2");
  client_ = *TlsClientContext::Create({.ca_file = authority_.Write(), .alpn = {"http/1.1"}});
  IOStream http1 = Connect();
  EXPECT_THAT(Ask(&http1, Get("/secure"), "http/1.1"), IsOkAndHolds(HasSubstr("https http/1.1")));
}

// Tornado's SSLTestMixin.test_ssl, and keep-alive.
TEST_F(TlsServerTest, test_ssl) {
  StartHttp();
  IOStream stream = Connect();
  for (int i = 0; i < 3; ++i) {
    auto answer = Ask(&stream, Get("/secure"), "https http/1.1");
    ASSERT_THAT(answer, IsOk());
    EXPECT_THAT(*answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_F(TlsServerTest, TheProtocolMayBeFixed) {
  StartHttp({.protocol = "gopher"});
  IOStream stream = Connect();
  EXPECT_THAT(Ask(&stream, Get("/secure"), "gopher http/1.1"), IsOk());
}

// Tornado's SSLTestMixin.test_large_post.
TEST_F(TlsServerTest, test_large_post) {
  StartHttp({.max_body_size = 16 << 20});
  IOStream stream = Connect();
  const size_t size = 5000000;
  const std::string post = absl::StrCat("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: ", size,
                                        "\r\n\r\n", std::string(size, 'A'));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Ask(&stream, post, absl::StrCat("Got ", size, " bytes in POST")), IsOk());
  }
}

TEST_F(TlsServerTest, LargeAnswer) {
  StartHttp();
  IOStream stream = Connect();
  auto answer = Ask(&stream, Get("/large", "Connection: close\r\n"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->substr(0, 20), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_GT(answer->size(), size_t{4 << 20});
  // Ended by close_notify, or ReadUntilClose would have failed.
  EXPECT_TRUE(answer->find_first_not_of('a', answer->size() - (4 << 20)) == std::string::npos);
}

// More requests than one read of the connection takes, so that the rest waits where epoll does not
// see it.
TEST_F(TlsServerTest, Pipelined) {
  StartHttp();
  IOStream stream = Connect();
  std::string requests;
  for (int i = 0; i < 2000; ++i) requests += Get("/secure");
  requests += Get("/hello", "Connection: close\r\n");
  auto answers = Ask(&stream, requests);
  ASSERT_THAT(answers, IsOk());
  EXPECT_THAT(*answers, EndsWith("Hello world"));
  int count = 0;
  for (size_t at = 0; (at = answers->find("https http/1.1", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 2000);
}

TEST_F(TlsServerTest, ARefusalIsReadToItsEnd) {
  StartHttp();
  IOStream stream = Connect();
  EXPECT_THAT(Ask(&stream, absl::StrCat("NO REQUEST\r\n\r\n", std::string(100000, 'x'))),
              IsOkAndHolds(StartsWith("HTTP/1.1 400 Bad Request\r\n")));
}

// Tornado's SSLTestMixin.test_non_ssl_request, but for the sentence in the log.
TEST_F(TlsServerTest, test_non_ssl_request) {
  StartHttp();
  LogCapture log;
  IOStream plain(Dial());
  EXPECT_FALSE(Ask(&plain, Get("/"), "200 OK").ok());
  EXPECT_THAT(log.messages(),
              Contains(HasSubstr("the client speaks plain HTTP, but this is a TLS port")));
  EXPECT_THAT(log.messages(), Contains(HasSubstr("Refused the connection of 127.0.0.1:")));
}

// Tornado's SSLTestMixin.test_error_logging: those who only look whether the port is open.
TEST_F(TlsServerTest, test_error_logging) {
  StartHttp();
  LogCapture log;
  Dial().reset();
  IOStream stream = Connect();
  EXPECT_THAT(Ask(&stream, Get("/secure"), "https"), IsOk());
  EXPECT_THAT(log.messages(), IsEmpty());
}

// A KeyUpdate whose second piece is late: the answer waits for it, and so does the loop.
TEST_F(TlsServerTest, AnAnswerBehindHalfAKeyUpdate) {
  StartHttp();
  internal::TlsRawClient raw;
  const UniqueFd socket = Dial();
  ASSERT_TRUE(raw.ShakeHands(socket.get(), [&] { ASSERT_THAT(loop_.RunSync(Turn()), IsOk()); }));
  raw.Say(Get("/secure"));
  const std::string half = raw.Seal(internal::TlsRawClient::kHandshake,
                                    std::string("\x18\x00\x00\x01", 4), /*sequence=*/1);
  const std::string octets = raw.TakeOutput() + half;
  ASSERT_EQ(::send(socket.get(), octets.data(), octets.size(), 0),
            static_cast<ssize_t>(octets.size()));
  WaitFor([&] { return app_.finished == 1; });
  const uint64_t before = loop_.stats().iterations;
  for (int i = 0; i < 20; ++i) ASSERT_THAT(loop_.RunSync(Turn()), IsOk());
  EXPECT_LT(loop_.stats().iterations - before, 100u);
  EXPECT_EQ(raw.Listen(socket.get()), "");

  const std::string rest =
      raw.Seal(internal::TlsRawClient::kHandshake, std::string(1, '\0'), /*sequence=*/2);
  ASSERT_EQ(::send(socket.get(), rest.data(), rest.size(), 0), static_cast<ssize_t>(rest.size()));
  std::string answer;
  WaitFor([&] {
    answer += raw.Listen(socket.get());
    return !answer.empty();
  });
  EXPECT_THAT(answer, EndsWith("https "));
}

// Writes until the socket takes nothing more.
void FillSocket(HttpConnection& connection) {
  const int fd = connection.transport()->fd();
  int room = 0;
  socklen_t size = sizeof room;
  ASSERT_EQ(::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &size), 0);
  for (int used = 0; used < room;) {
    ASSERT_THAT(connection.Write(std::string(1000, 'f')), IsOk());
    ASSERT_EQ(::ioctl(fd, SIOCOUTQ, &used), 0);
  }
}

class TlsUnixServerTest : public TlsServerTest {
 protected:
  TlsUnixServerTest() {
    app_.Route("/full", {.finish = [](TestApp::Exchange& e) {
                 HttpConnection* const to = std::exchange(e.connection, nullptr);
                 EXPECT_THAT(to->WriteHead(ResponseHead(), ""), IsOk());
                 FillSocket(*to);
                 EXPECT_THAT(to->Finish(), IsOk());
               }});
  }
  void StartOverUnix(HttpServerOptions options = {}) {
    options.transport = tls_;
    auto server = std::make_unique<HttpServer>(app_, options);
    auto listener = BindUnixSocket(path_);
    ASSERT_THAT(listener, IsOk());
    server->AddSocket(*std::move(listener));
    server_ = std::move(server);
  }
  IOStream ConnectOverUnix() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return IOStream(MakeTlsTransport(std::move(socket), client_, "localhost"));
  }
  int connections() {
    return static_cast<int>(static_cast<HttpServer&>(*server_).connection_count());
  }

  const std::string path_ = absl::StrCat("/tmp/squall_tls_server_test.", ::getpid());
};

// Of a client of HTTP/1.0, whose answer is as long as its connection.
TEST_F(TlsUnixServerTest, CloseNotifyWaitsForRoom) {
  StartOverUnix();
  IOStream stream = ConnectOverUnix();
  auto answer = Ask(&stream, "GET /full HTTP/1.0\r\n\r\n");
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, EndsWith("ffff"));
  WaitFor([&] { return connections() == 0; });
}

TEST_F(TlsUnixServerTest, CloseNotifyDoesNotWaitForEver) {
  StartOverUnix({.write_timeout = absl::Milliseconds(50)});
  IOStream stream = ConnectOverUnix();
  Task<absl::Status> written = stream.Write("GET /full HTTP/1.0\r\n\r\n");
  // The first octet ends the handshake; the rest stays unread.
  ASSERT_THAT(loop_.RunSync(stream.ReadBytes(1), kDeadline), IsOk());
  WaitFor([&] { return connections() == 0; });
}

TEST_F(TlsServerTest, AHandshakeThatNeverEnds) {
  StartHttp({.header_timeout = absl::Milliseconds(50)});
  HttpServer& server = static_cast<HttpServer&>(*server_);
  UniqueFd half = Dial();
  const std::string begun("\x16\x03\x01\x00\xc8\x01\x00", 7);
  ASSERT_EQ(::send(half.get(), begun.data(), begun.size(), 0), 7);
  WaitFor([&] { return server.connection_count() == 1; });
  WaitFor([&] { return server.connection_count() == 0; });
}

TEST_F(TlsServerTest, DrainEndsConnectionsAfterTheirNextAnswer) {
  StartHttp();
  IOStream stream = Connect();
  ASSERT_THAT(Ask(&stream, Get("/secure"), "https http/1.1"), IsOk());
  bool done = false;
  static_cast<HttpServer&>(*server_).Drain(DrainRequest(), [&] { done = true; });
  auto answer = Ask(&stream, Get("/secure"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, HasSubstr("Connection: close"));
  WaitFor([&] { return done; });
}

// What is known of the session is not lost with octets that came behind the request.
TEST_F(TlsServerTest, WhoTakesOverKnowsTheSession) {
  std::string version;
  app_.Route("/up", {.finish = [&](TestApp::Exchange& e) {
               ResponseHead head{.status = 101};
               head.headers.Set("Upgrade", "x");
               EXPECT_THAT(e.connection->SwitchProtocols(head,
                                                         [&](std::unique_ptr<Transport> transport) {
                                                           const auto* const tls =
                                                               TlsTransport::From(transport.get());
                                                           version = tls != nullptr ? tls->version()
                                                                                    : "lost";
                                                         }),
                           IsOk());
             }});
  StartHttp();
  for (const std::string early : {"", "early octets"}) {
    version.clear();
    IOStream stream = Connect();
    auto answer = Ask(&stream, Get("/up", "Connection: Upgrade\r\nUpgrade: x\r\n") + early);
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(version, "TLSv1.3") << early;
  }
}

class GreetingServer : public TcpServer {
 public:
  using TcpServer::TcpServer;
  Task<> HandleStream(IOStream stream, SocketAddress) override {
    ++streams;
    absl::Status written = co_await stream.Write(TlsTransport::From(stream.transport())->version());
    if (!written.ok()) ++failed;
  }
  int streams = 0;
  int failed = 0;
};

class TlsTcpServerTest : public TlsServerTest {
 protected:
  GreetingServer& Start(absl::Duration handshake_timeout) {
    TcpServer::Options options;
    options.transport = tls_;
    options.handshake_timeout = handshake_timeout;
    auto server = std::make_unique<GreetingServer>(options);
    EXPECT_THAT(server->Listen(0, {.address = "127.0.0.1"}), IsOk());
    GreetingServer& started = *server;
    server_ = std::move(server);
    return started;
  }
};

TEST_F(TlsTcpServerTest, StreamsBeginAfterTheHandshake) {
  GreetingServer& server = Start(kDeadline);
  UniqueFd silent = Dial();
  IOStream stream = Connect();
  EXPECT_THAT(Ask(&stream, ""), IsOkAndHolds("TLSv1.3"));
  EXPECT_EQ(server.streams, 1);
  EXPECT_EQ(server.failed, 0);
}

TEST_F(TlsTcpServerTest, HandshakeTimeout) {
  GreetingServer& server = Start(absl::Milliseconds(20));
  LogCapture log;
  UniqueFd silent = Dial();
  WaitFor([&] { return server.connection_count() == 1; });
  WaitFor([&] { return server.connection_count() == 0; });
  EXPECT_EQ(server.streams, 0);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("the handshake was not done after 20ms")));
}

// The server is gone when the handshake ends.
TEST_F(TlsTcpServerTest, AServerThatLeavesDuringAHandshake) {
  GreetingServer& server = Start(kDeadline);
  const UniqueFd socket = Dial();
  WaitFor([&] { return server.connection_count() == 1; });
  IOStream stream(MakeTlsTransport(UniqueFd(::dup(socket.get())), client_, "localhost"));
  server_.reset();
  EXPECT_THAT(Ask(&stream, ""), IsOkAndHolds(""));
}

}  // namespace
}  // namespace squall
