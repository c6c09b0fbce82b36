// Files as answers over kTLS: the kernel sends them from its page cache, encrypted.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/ktls_emulator.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

using internal::KtlsEmulator;
using testing::Contains;
using testing::HasSubstr;

constexpr size_t kSize = 5 << 20;

class KtlsServerTest : public testing::Test {
 protected:
  void SetUp() override {
    while (text_.size() < kSize) absl::StrAppend(&text_, text_.size(), " ");
    text_.resize(kSize);
    std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/file.XXXXXX");
    file_ = std::make_shared<const UniqueFd>(::mkstemp(path.data()));
    ASSERT_TRUE(file_->valid());
    ::unlink(path.c_str());
    ASSERT_EQ(::write(file_->get(), text_.data(), text_.size()), static_cast<ssize_t>(kSize));
    app_.Route("/file", {.finish = [this](TestApp::Exchange& e) {
                 std::exchange(e.connection, nullptr)
                     ->FinishWithFile(ResponseHead(), {file_, 0, announced_})
                     .IgnoreError();
               }});
    auto tls = TlsAcceptor::Create(
        {.certificates = {authority_.Issue().Write("site")}, .protocol = {.ktls = true}});
    ASSERT_THAT(tls, IsOk());
    server_ = std::make_unique<HttpServer>(app_, HttpServerOptions{.transport = *std::move(tls)});
    ASSERT_THAT(server_->Listen(0, {.address = "127.0.0.1"}), IsOk());
    loop_.Spawn(PushNowAndThen(&kernel_));
  }
  ~KtlsServerTest() override {
    server_.reset();
    IOLoop::ClearCurrent();
  }

  // All that comes on a connection of its own.
  absl::StatusOr<std::string> Get() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->addresses().front().port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    IOStream stream(
        MakeTlsTransport(std::move(socket),
                         *TlsClientContext::Create({.ca_file = authority_.Write()}), "localhost"),
        {.max_buffer_size = 2 * kSize});
    return loop_.RunSync(Ask(&stream), absl::Seconds(20));
  }
  static Task<absl::StatusOr<std::string>> Ask(IOStream* stream) {
    absl::Status written = co_await stream->Write(
        "GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    if (!written.ok()) co_return written;
    absl::StatusOr<std::string> answer = co_await stream->ReadUntilClose();
    co_return answer;
  }
  static Task<> PushNowAndThen(KtlsEmulator* kernel) {
    while (true) {
      kernel->Push();
      co_await Sleep(absl::Milliseconds(1));
    }
  }

  KtlsEmulator kernel_{KtlsEmulator::Tls::kPresent};
  IOLoop& loop_ = IOLoop::Current();
  const internal::TestAuthority authority_{"authority"};
  TestApp app_;
  std::string text_;
  std::shared_ptr<const UniqueFd> file_;
  size_t announced_ = kSize;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(KtlsServerTest, FilesGoFromThePageCache) {
  // The kernel takes all, also what TCP has no room for yet; the end must not overtake that.
  kernel_.set_room(kSize);
  const absl::StatusOr<std::string> answer = Get();
  ASSERT_THAT(answer, IsOk());
  ASSERT_GT(answer->size(), kSize);
  EXPECT_TRUE(answer->substr(answer->size() - kSize) == text_);
  EXPECT_EQ(kernel_.sendfile_octets(), kSize);
}

TEST_F(KtlsServerTest, AFileThatWasCutShortEndsTheConnection) {
  announced_ = kSize + 1000;
  LogCapture log;
  const absl::StatusOr<std::string> answer = Get();
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(*answer, HasSubstr(absl::StrCat("Content-Length: ", announced_, "\r\n")));
  ASSERT_GT(answer->size(), kSize);
  EXPECT_TRUE(answer->substr(answer->size() - kSize) == text_);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("cut short")));
  EXPECT_EQ(kernel_.sendfile_octets(), kSize);
}

}  // namespace
}  // namespace squall
