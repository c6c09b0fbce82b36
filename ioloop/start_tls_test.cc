// A stream that becomes another one over the same socket: Tornado's TestIOStreamStartTLS, and when
// it must not.
#include <sys/socket.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/tls_transport.h"

namespace squall::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Task<std::string> Say(IOStream* stream, std::string words) {
  absl::Status written = co_await stream->Write(std::move(words));
  co_return written.ok() ? "" : written.ToString();
}

Task<std::string> Hear(IOStream* stream) {
  absl::StatusOr<std::string> line = co_await stream->ReadUntil("\r\n");
  co_return line.ok() ? *line : line.status().ToString();
}

class TestIOStreamStartTLS : public TlsTest {
 protected:
  TestIOStreamStartTLS() {
    auto [here, there] = MakePair(Family::kTcp);
    server_ = std::make_unique<IOStream>(std::move(here));
    client_ = std::make_unique<IOStream>(std::move(there));
  }

  // Both ends become streams over TLS, before the handshake.
  void StartTls(std::shared_ptr<TlsClientContext> context, const std::string& name) {
    absl::StatusOr<UniqueFd> of_server = server_->Detach();
    absl::StatusOr<UniqueFd> of_client = client_->Detach();
    ASSERT_THAT(of_server.status(), IsOk());
    ASSERT_THAT(of_client.status(), IsOk());
    EXPECT_TRUE(server_->closed());
    *server_ = IOStream(MakeTlsTransport(*std::move(of_server), Server()));
    *client_ = IOStream(MakeTlsTransport(*std::move(of_client), std::move(context), name));
  }
  // The server waits for a line, and the client cannot send it.
  void FailsAtTheClient(const std::string& why) {
    auto done = Run(Gather(Hear(&*server_), Say(&*client_, "EHLO client.example.com\r\n")));
    ASSERT_THAT(done, IsOk());
    EXPECT_THAT(std::get<0>(*done), Not(HasSubstr("EHLO")));
    EXPECT_THAT(std::get<1>(*done), HasSubstr(why));
    EXPECT_TRUE(server_->closed());
    EXPECT_TRUE(client_->closed());
  }

  // `from` says it and `to` hears it.
  void Pass(const std::unique_ptr<IOStream>& from, const std::unique_ptr<IOStream>& to,
            const std::string& line) {
    auto passed = Run(Gather(Say(&*from, line), Hear(&*to)));
    ASSERT_THAT(passed, IsOk());
    EXPECT_EQ(std::get<0>(*passed), "");
    EXPECT_EQ(std::get<1>(*passed), line);
  }
};

TEST_F(TestIOStreamStartTLS, start_tls_smtp) {
  Pass(server_, client_, "220 mail.example.com ready\r\n");
  Pass(client_, server_, "EHLO client.example.com\r\n");
  Pass(server_, client_, "250 STARTTLS\r\n");
  Pass(client_, server_, "STARTTLS\r\n");
  Pass(server_, client_, "220 Go ahead\r\n");
  StartTls(Client(), "localhost");
  Pass(client_, server_, "EHLO client.example.com\r\n");
  Pass(server_, client_, "250 done\r\n");
  EXPECT_TRUE(client_->transport()->encrypted());
}

// Certificates are verified with the default configuration, which does not know the test's.
TEST_F(TestIOStreamStartTLS, handshake_fail) {
  StartTls(*TlsClientContext::Create(), "localhost");
  FailsAtTheClient("the certificate of localhost is not accepted");
}

TEST_F(TestIOStreamStartTLS, check_hostname) {
  StartTls(Client(), "127.0.0.2");
  FailsAtTheClient("the server's certificate is not for 127.0.0.2");
}

TEST_F(TestIOStreamStartTLS, WhatWasSentBehindTheCommandIsNotTakenForTls) {
  Pass(client_, server_, "STARTTLS\r\n");
  ASSERT_EQ(Run(Say(&*client_, "RCPT one\r\nRCPT two\r\n")).value_or("?"), "");
  EXPECT_EQ(Run(Hear(&*server_)).value_or("?"), "RCPT one\r\n");
  EXPECT_THAT(server_->Detach().status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   HasSubstr("sent more than was read")));
  EXPECT_EQ(Run(Hear(&*server_)).value_or("?"), "RCPT two\r\n");
}

TEST_F(TestIOStreamStartTLS, NotWhileAReadIsPending) {
  bool refused = false;
  loop_.AddCallback([&] {
    refused = absl::IsFailedPrecondition(server_->Detach().status());
    EXPECT_EQ(::send(client_->fd(), "a\r\n", 3, MSG_NOSIGNAL), 3);
  });
  EXPECT_EQ(Run(Hear(&*server_)).value_or("?"), "a\r\n");
  EXPECT_TRUE(refused);
}

TEST_F(TestIOStreamStartTLS, NotOutOfTlsAndNotTwice) {
  ASSERT_THAT(server_->Detach().status(), IsOk());
  EXPECT_THAT(server_->Detach().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed")));
  Connect(Server(), Client());
  Pass(client_, server_, "hello\r\n");
  EXPECT_THAT(server_->Detach().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a plain socket")));
  Pass(server_, client_, "still here\r\n");
}

}  // namespace
}  // namespace squall::internal
