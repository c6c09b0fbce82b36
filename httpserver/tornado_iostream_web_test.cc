// Tornado's TestIOStreamWebMixin (iostream_test.py): a stream as the client of a web server, over HTTP
// (TestIOStreamWebHTTP) and HTTPS (TestIOStreamWebHTTPS).
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/netutil/connect.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

enum class Scheme { kHttp, kHttps };

class TestIOStreamWebMixin : public testing::TestWithParam<Scheme> {
 protected:
  TestIOStreamWebMixin() {
    HttpServerOptions options;
    if (GetParam() == Scheme::kHttps) {
      const internal::TestAuthority authority("authority");
      options.transport =
          TlsAcceptor::Create({.certificates = {authority.Issue().Write("site")}}).value();
      connect_.transport =
          [context =
               TlsClientContext::Create({.ca_file = authority.Write()}).value()](UniqueFd socket) {
            return MakeTlsTransport(std::move(socket), context, "localhost");
          };
    }
    server_ = std::make_unique<HttpServer>(app_, options);
    EXPECT_THAT(server_->Listen(0, {.address = "127.0.0.1"}), IsOk());
  }
  ~TestIOStreamWebMixin() override {
    server_.reset();
    IOLoop::ClearCurrent();
  }

  template <TaskLike T>
  auto Run(T task) {
    return loop_.RunSync(std::move(task), absl::Seconds(20));
  }
  IOStream Connected() {
    auto stream = Run(Connect("127.0.0.1", server_->addresses().front().port(), connect_));
    EXPECT_THAT(stream, IsOk());
    return *std::move(stream);
  }
  // A stream that has asked for /hello.
  IOStream Asking(const std::string& fields = "") {
    IOStream stream = Connected();
    EXPECT_THAT(Run(stream.Write("GET /hello HTTP/1.0\r\n" + fields + "\r\n")), IsOk());
    return stream;
  }

  IOLoop& loop_ = IOLoop::Current();
  TestApp app_;
  ConnectOptions connect_;
  std::unique_ptr<HttpServer> server_;
};

INSTANTIATE_TEST_SUITE_P(Schemes, TestIOStreamWebMixin,
                         testing::Values(Scheme::kHttp, Scheme::kHttps),
                         [](const testing::TestParamInfo<Scheme>& info) {
                           return info.param == Scheme::kHttp ? "Http" : "Https";
                         });

// The answer and the end of the connection come together, and nothing of the answer is lost.
TEST_P(TestIOStreamWebMixin, test_connection_closed) {
  IOStream stream = Connected();
  EXPECT_THAT(Run(stream.Write("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")),
              IsOk());
  EXPECT_THAT(Run(stream.ReadUntilClose()),
              IsOkAndHolds(AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Connection: close\r\n"),
                                 EndsWith("Hello world"))));
}

TEST_P(TestIOStreamWebMixin, test_read_until_close) {
  IOStream stream = Asking();
  EXPECT_THAT(Run(stream.ReadUntilClose()),
              IsOkAndHolds(AllOf(StartsWith("HTTP/1.1 200"), EndsWith("Hello world"))));
}

TEST_P(TestIOStreamWebMixin, test_read_zero_bytes) {
  IOStream stream = Asking();
  EXPECT_THAT(Run(stream.ReadBytes(9)), IsOkAndHolds("HTTP/1.1 "));
  EXPECT_THAT(Run(stream.ReadBytes(0)), IsOkAndHolds(""));
  EXPECT_THAT(Run(stream.ReadBytes(3)), IsOkAndHolds("200"));
}

TEST_P(TestIOStreamWebMixin, test_future_interface) {
  IOStream stream = Asking();
  EXPECT_THAT(Run(stream.ReadUntil("\r\n")), IsOkAndHolds("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Run(stream.ReadUntil("\r\n\r\n")), IsOkAndHolds(HasSubstr("Content-Length: 11\r\n")));
  EXPECT_THAT(Run(stream.ReadBytes(11)), IsOkAndHolds("Hello world"));
}

TEST_P(TestIOStreamWebMixin, test_future_close_while_reading) {
  IOStream stream = Asking();
  EXPECT_THAT(Run(stream.ReadBytes(1024 * 1024)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(stream.closed());
}

TEST_P(TestIOStreamWebMixin, test_future_read_until_close) {
  IOStream stream = Asking("Connection: close\r\n");
  EXPECT_THAT(Run(stream.ReadUntil("\r\n\r\n")), IsOk());
  EXPECT_THAT(Run(stream.ReadUntilClose()), IsOkAndHolds("Hello world"));
  // Nothing is left, and the error comes without waiting.
  Task<absl::StatusOr<std::string>> read = stream.ReadBytes(1);
  EXPECT_THAT(Run(std::move(read)), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace squall
