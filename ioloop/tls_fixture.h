// What the tests of TLS share: an authority, a server's and a client's context, and a stream at each
// end of a connection. Tests only.
//
//   TEST_F(TlsTest, Echo) {
//     Connect(Server(), Client());
//     EXPECT_THAT(Run(Say(client_.get(), "hello")), IsOk());
//   }
#ifndef SQUALL_IOLOOP_TLS_FIXTURE_H_
#define SQUALL_IOLOOP_TLS_FIXTURE_H_

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>

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
#include "squall/ioloop/gather.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_options.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/ioloop/transport.h"

namespace squall::internal {

class TlsTest : public testing::Test {
 protected:
  static constexpr absl::Duration kDeadline = absl::Seconds(20);

  struct Shaken {
    absl::Status server;
    absl::Status client;
  };

  ~TlsTest() override {
    server_.reset();
    client_.reset();
    IOLoop::ClearCurrent();
    ExpectNoErrorIsLeft();
  }

  // In the thread's queue of OpenSSL, where the program's own calls would find it.
  static void ExpectNoErrorIsLeft() {
    EXPECT_EQ(::ERR_peek_error(), 0u) << ::ERR_reason_error_string(::ERR_peek_error());
  }

  // Contexts that trust the authority. Server() with a certificate for localhost unless told
  // otherwise.
  std::shared_ptr<const TlsServerContext> Server(TlsServerOptions options = {}) {
    if (options.certificates.empty()) options.certificates = {site_};
    auto context = TlsServerContext::Create(options);
    EXPECT_THAT(context, IsOk());
    return *std::move(context);
  }
  std::shared_ptr<TlsClientContext> Client(TlsClientOptions options = {}) {
    if (options.ca_file.empty()) options.ca_file = root_file_;
    auto context = TlsClientContext::Create(options);
    EXPECT_THAT(context, IsOk());
    return *std::move(context);
  }

  // The two ends, before the handshake.
  void MakeTransports(std::shared_ptr<const TlsServerContext> server,
                      std::shared_ptr<TlsClientContext> client,
                      const std::string& name = "localhost") {
    auto [here, there] = MakePair(Family::kTcp);
    server_transport_ = MakeTlsTransport(std::move(here), std::move(server));
    client_transport_ = MakeTlsTransport(std::move(there), std::move(client), name);
  }
  // The same as streams, which shake hands when they read or write.
  void Connect(std::shared_ptr<const TlsServerContext> server,
               std::shared_ptr<TlsClientContext> client) {
    MakeTransports(std::move(server), std::move(client));
    MakeStreams();
  }
  void MakeStreams(IOStreamOptions of_server = {}) {
    server_ = std::make_unique<IOStream>(std::move(server_transport_), of_server);
    client_ = std::make_unique<IOStream>(std::move(client_transport_));
  }

  // Shakes hands at both ends, and has the client read what the server has to say after that, which
  // is its tickets, or with TLS 1.3 its refusal.
  Shaken Shake() {
    auto run =
        loop_.RunSync(ShakeBoth(server_transport_.get(), client_transport_.get()), kDeadline);
    EXPECT_THAT(run, IsOk());
    ExpectNoErrorIsLeft();
    return run.ok() ? *run : Shaken{run.status(), run.status()};
  }
  const TlsTransport& server_tls() { return *TlsTransport::From(server_transport_.get()); }
  const TlsTransport& client_tls() { return *TlsTransport::From(client_transport_.get()); }

  template <TaskLike T>
  auto Run(T task) {
    return loop_.RunSync(std::move(task), kDeadline);
  }

  IOLoop& loop_ = IOLoop::Current();
  const TestAuthority authority_{"authority"};
  const std::string root_file_ = authority_.Write();
  const TlsKeyPair site_ = authority_.Issue().Write("site");
  std::unique_ptr<Transport> server_transport_;
  std::unique_ptr<Transport> client_transport_;
  std::unique_ptr<IOStream> server_;
  std::unique_ptr<IOStream> client_;

 private:
  static Task<absl::Status> ShakeAndGreet(Transport* transport) {
    absl::Status shaken = co_await Handshake(transport, kDeadline);
    if (!shaken.ok()) co_return shaken;
    const iovec octet = {const_cast<char*>("!"), 1};
    if (transport->Write(&octet, 1) != 1) co_return transport->ErrorStatus(errno, "greeting");
    co_return shaken;
  }
  static Task<absl::Status> ShakeAndListen(Transport* transport) {
    absl::Status listened = co_await Listen(transport);
    // A server that waits for one that has given up is told.
    if (!listened.ok()) ::shutdown(transport->fd(), SHUT_RDWR);
    co_return listened;
  }
  static Task<absl::Status> Listen(Transport* transport) {
    absl::Status shaken = co_await Handshake(transport, kDeadline);
    char octet = 0;
    while (shaken.ok()) {
      const ssize_t size = transport->Read(&octet, 1);
      if (size == 1) break;
      if (size == 0) co_return absl::UnavailableError("the server has ended the connection");
      if (errno != EAGAIN) co_return transport->ErrorStatus(errno, "listening");
      co_await Sleep(absl::Milliseconds(1));
    }
    co_return shaken;
  }
  static Task<Shaken> ShakeBoth(Transport* server, Transport* client) {
    auto [of_server, of_client] = co_await Gather(ShakeAndGreet(server), ShakeAndListen(client));
    co_return Shaken{of_server, of_client};
  }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TLS_FIXTURE_H_
