// docs/http.md: a server without the web framework, bodies that come and go in pieces, options.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/ioloop/transport.h"
#include "squall/netutil/connect.h"

namespace {

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class Hello : public squall::HttpServerConnectionDelegate {
 public:
  std::unique_ptr<squall::HttpMessageDelegate> StartRequest(
      squall::HttpConnection& connection) override {
    return std::make_unique<Answer>(connection);
  }

 private:
  class Answer : public squall::HttpMessageDelegate {
   public:
    explicit Answer(squall::HttpConnection& connection) : connection_(connection) {}

    void Finish() override {  // the whole request was read
      squall::ResponseHead head;
      head.headers.Set("Content-Type", "text/plain");
      connection_.FinishWith(head, "Hello, world\n").IgnoreError();
    }

   private:
    squall::HttpConnection& connection_;
  };
};

std::promise<uint16_t> bound;

absl::Status Serve(uint16_t port) {
  Hello app;
  squall::HttpServer server(app);
  absl::Status listening = server.Listen(port, {.address = "127.0.0.1"});
  if (!listening.ok()) return listening;  // "cannot listen on 127.0.0.1:80: Permission denied"
  bound.set_value(server.addresses().front().port());
  squall::IOLoop& loop = squall::IOLoop::Current();
  absl::Status added = loop.AddSignalHandler(SIGTERM, [&](int) {
    server.Drain({.idle_close_after = absl::Seconds(5)}, [&loop] { loop.Stop(); });
  });
  if (!added.ok()) return added;
  loop.Start();
  return absl::OkStatus();
}

TEST(HttpTour, HelloAndDrain) {
  sigset_t term;  // blocked before the thread is there, so that only the loop gets it
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, nullptr), 0);
  std::thread client([] {
    squall::RawClient client(bound.get_future().get());
    client.Send(kGet);
    EXPECT_EQ(client.ReadResponse().body, "Hello, world\n");
    ::kill(::getpid(), SIGTERM);
    squall::RawClient::Response response;
    do {
      client.Send(kGet);
      response = client.ReadResponse();
      EXPECT_EQ(response.body, "Hello, world\n");
    } while (response.status == 200 && response.Field("Connection") != "close");
    EXPECT_TRUE(client.AtEnd());
  });
  const absl::Status served = Serve(0);
  client.join();
  EXPECT_TRUE(served.ok()) << served;
  squall::IOLoop::ClearCurrent();
}

// What coroutines know of an exchange, for it may be over before them.
struct Exchange {
  squall::HttpConnection* connection;  // null once it must not be used
  uint64_t received = 0;
};

absl::Status Store(std::string_view piece) {
  return piece.empty() ? absl::InternalError("nothing") : absl::OkStatus();
}

squall::Task<> Take(std::shared_ptr<Exchange> exchange, std::string piece) {
  exchange->received += piece.size();
  auto store = [piece = std::move(piece)] { return Store(piece); };  // blocks a thread
  absl::Status stored = co_await squall::RunInExecutor(std::move(store));
  if (exchange->connection == nullptr) co_return;  // the client has left meanwhile
  if (!stored.ok()) exchange->connection->FinishWithError(500, "cannot store this\n");
  if (stored.ok()) exchange->connection->ResumeReading();
}

class Upload : public squall::HttpMessageDelegate {
 public:
  explicit Upload(squall::HttpConnection& connection)
      : exchange_(std::make_shared<Exchange>(Exchange{.connection = &connection})) {}

  void HeadersReceived() override {
    squall::HttpConnection& connection = *exchange_->connection;
    connection.SetMaxBodySize(10ull << 30);  // of this request alone
    connection.SetBodyTimeout(absl::Hours(1));
  }

  void DataReceived(std::string_view data) override {
    squall::HttpConnection& connection = *exchange_->connection;
    connection.PauseReading();  // TCP makes the client wait until ResumeReading()
    connection.loop().Spawn(Take(exchange_, std::string(data)));
  }

  void Finish() override {
    squall::HttpConnection* connection = std::exchange(exchange_->connection, nullptr);
    connection->FinishWith({.status = 201}, absl::StrCat(exchange_->received, " octets\n"))
        .IgnoreError();
  }

  void OnConnectionClose() override { exchange_->connection = nullptr; }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

squall::Task<> Count(std::shared_ptr<Exchange> exchange) {
  squall::ResponseHead head;
  head.headers.Set("Content-Type", "text/plain");
  absl::Status sent = exchange->connection->WriteHead(head, "");
  std::string piece;
  for (int i = 0; i < 100'000 && sent.ok(); ++i) {
    absl::StrAppend(&piece, i, "\n");
    if (piece.size() < 16'384) continue;  // each Write() is a chunk and a system call
    sent = exchange->connection->Write(std::exchange(piece, {}));
    if (sent.ok() && exchange->connection->write_blocked()) {
      sent = co_await exchange->connection->Drained();  // Unavailable: the client is gone
    }
  }
  if (sent.ok()) sent = exchange->connection->Write(piece);
  if (sent.ok()) exchange->connection->Finish().IgnoreError();
}

class Numbers : public squall::HttpMessageDelegate {
 public:
  explicit Numbers(squall::HttpConnection& connection)
      : exchange_(std::make_shared<Exchange>(Exchange{.connection = &connection})) {}

  void Finish() override { exchange_->connection->loop().Spawn(Count(exchange_)); }
  void OnConnectionClose() override { exchange_->connection = nullptr; }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

class Download : public squall::HttpMessageDelegate {
 public:
  Download(squall::HttpConnection& connection, std::string path)
      : connection_(connection), path_(std::move(path)) {}

  void Finish() override {
    auto file = std::make_shared<const squall::UniqueFd>(
        ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat facts;
    if (!file->valid() || ::fstat(file->get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
      return connection_.FinishWithError(404, "no such file\n");
    }
    squall::ResponseHead head;
    head.headers.Set("Content-Type", "application/octet-stream");
    const auto size = static_cast<uint64_t>(facts.st_size);
    connection_.FinishWithFile(head, {.file = file, .offset = 0, .size = size}).IgnoreError();
  }

 private:
  squall::HttpConnection& connection_;
  const std::string path_;
};

squall::Task<> Chat(squall::IOStream stream) {
  absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n", 4096);
  if (!line.ok()) co_return;
  absl::Status written = co_await stream.Write(absl::StrCat("you said: ", *line));
  written.IgnoreError();
}

class Switch : public squall::HttpMessageDelegate {
 public:
  explicit Switch(squall::HttpConnection& connection) : connection_(connection) {}

  void Finish() override {
    squall::ResponseHead head{.status = 101};
    head.headers.Set("Upgrade", "chat/1");
    squall::IOLoop& loop = connection_.loop();
    absl::Status switched =
        connection_.SwitchProtocols(head, [&loop](std::unique_ptr<squall::Transport> transport) {
          loop.Spawn(Chat(squall::IOStream(std::move(transport))));
        });
    if (switched.ok()) return;
    head.status = 426;  // Upgrade Required
    connection_.FinishWith(head, "this resource speaks chat/1\n").IgnoreError();
  }

 private:
  squall::HttpConnection& connection_;
};

class Site : public squall::HttpServerConnectionDelegate {
 public:
  explicit Site(std::string file) : file_(std::move(file)) {}

  std::unique_ptr<squall::HttpMessageDelegate> StartRequest(
      squall::HttpConnection& connection) override {
    const std::string_view path = connection.head().path();  // raw, nothing decoded
    if (path == "/upload") return std::make_unique<Upload>(connection);
    if (path == "/numbers") return std::make_unique<Numbers>(connection);
    if (path == "/chat") return std::make_unique<Switch>(connection);
    return std::make_unique<Download>(connection, path == "/file" ? file_ : "/no/such/file");
  }

 private:
  const std::string file_;
};

class HttpTourSite : public testing::Test {
 protected:
  static std::string MakeFile() {
    const std::string path = absl::StrCat(testing::TempDir(), "/tour");
    std::ofstream(path) << std::string(300'000, 'x');
    return path;
  }

  Site site_{MakeFile()};
  squall::HttpServerThread server_{site_};
  squall::RawClient client_{server_.port()};
};

TEST_F(HttpTourSite, Upload) {
  const std::string body(3 << 20, 'b');  // more than HttpServerOptions::max_body_size
  client_.Send(absl::StrCat("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: ", body.size(),
                            "\r\n\r\n", body));
  const squall::RawClient::Response response = client_.ReadResponse();
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "3145728 octets\n");
}

TEST_F(HttpTourSite, Numbers) {
  client_.Send("GET /numbers HTTP/1.1\r\nHost: a\r\n\r\n");
  const squall::RawClient::Response response = client_.ReadResponse();
  EXPECT_EQ(response.Field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(response.body.substr(0, 6), "0\n1\n2\n");
  EXPECT_EQ(response.body.substr(response.body.size() - 6), "99999\n");
}

TEST_F(HttpTourSite, File) {
  client_.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client_.ReadResponse().body, std::string(300'000, 'x'));
  client_.Send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
  const squall::RawClient::Response missing = client_.ReadResponse();
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.Field("Connection"), "close");
}

TEST_F(HttpTourSite, Switch) {
  client_.Send("GET /chat HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client_.ReadResponse().status, 426);
  client_.Send(
      "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat/1\r\n\r\nhi\n");
  EXPECT_EQ(client_.ReadAll(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat/1\r\nConnection: Upgrade\r\n\r\n"
            "you said: hi\n");
}

squall::HttpServerOptions BehindAProxy() {
  squall::HttpServerOptions options;
  options.xheaders = true;
  options.trusted_downstream = {"10.0.0.0/8", "fd00::/8"};
  return options;
}

class WhoAreYou : public squall::HttpServerConnectionDelegate {
 public:
  std::unique_ptr<squall::HttpMessageDelegate> StartRequest(
      squall::HttpConnection& connection) override {
    connection
        .FinishWith({}, absl::StrCat(std::string(connection.protocol()), " ",
                                     std::string(connection.remote_ip())))
        .IgnoreError();
    return std::make_unique<squall::HttpMessageDelegate>();
  }
};

TEST(HttpTour, BehindAProxy) {
  WhoAreYou app;
  squall::HttpServerThread server(app, BehindAProxy());
  squall::RawClient client(server.port());
  client.Send(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n"
      "X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.1.1.1, 10.2.2.2\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "https 192.0.2.1");
}

absl::StatusOr<squall::HttpServerOptions> Https(std::string site_pem, std::string site_key) {
  absl::StatusOr<std::shared_ptr<squall::TlsAcceptor>> tls =
      squall::TlsAcceptor::Create({.certificates = {{site_pem, site_key}}, .alpn = {"http/1.1"}});
  if (!tls.ok()) return tls.status();  // one sentence about the file that is wrong
  return squall::HttpServerOptions{.transport = *tls};
}

squall::Task<std::string> AskSecurely(uint16_t port,
                                      std::shared_ptr<squall::TlsClientContext> context) {
  squall::ConnectOptions options;
  options.transport = [context](squall::UniqueFd socket) {
    return squall::MakeTlsTransport(std::move(socket), context, "www.example.com");
  };
  absl::StatusOr<squall::IOStream> stream = co_await squall::Connect("127.0.0.1", port, options);
  if (!stream.ok()) co_return stream.status().ToString();
  absl::Status asked = co_await stream->Write("GET / HTTP/1.0\r\n\r\n");
  if (!asked.ok()) co_return asked.ToString();
  absl::StatusOr<std::string> answer = co_await stream->ReadUntilClose();
  co_return answer.ok() ? *answer : answer.status().ToString();
}

TEST(HttpTour, Https) {
  const squall::internal::TestAuthority authority("root");
  const squall::TlsKeyPair files =
      authority.Issue({.dns_names = {"www.example.com"}}).Write("site");
  EXPECT_FALSE(Https(files.certificate_file, "/no/such/file").ok());
  absl::StatusOr<squall::HttpServerOptions> options =
      Https(files.certificate_file, files.private_key_file);
  ASSERT_TRUE(options.ok()) << options.status();
  WhoAreYou app;
  squall::HttpServerThread server(app, *options);
  absl::StatusOr<std::shared_ptr<squall::TlsClientContext>> context =
      squall::TlsClientContext::Create({.ca_file = authority.Write()});
  ASSERT_TRUE(context.ok()) << context.status();
  const absl::StatusOr<std::string> answer =
      squall::IOLoop::Current().RunSync(AskSecurely(server.port(), *context));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->substr(answer->find("\r\n\r\n")), "\r\n\r\nhttps 127.0.0.1");
  squall::IOLoop::ClearCurrent();
}

}  // namespace
