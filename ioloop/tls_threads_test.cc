// What the headers of TLS promise of "any thread": handshakes in many threads through the same acceptor,
// client and ticket keys, while another thread exchanges the certificates.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_acceptor.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_options.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_ticket_keys.h"
#include "squall/ioloop/tls_transport.h"

namespace squall::internal {
namespace {

constexpr int kThreads = 4;
constexpr int kHandshakes = 40;  // of each thread

Task<absl::Status> Greet(IOStream* server) { co_return co_await server->Write("!"); }

// Reads what comes behind the handshake, too: the tickets.
Task<absl::Status> Listen(IOStream* client) { co_return (co_await client->ReadBytes(1)).status(); }

TEST(TlsThreadsTest, HandshakesWhileTheCertificatesChange) {
  const TestAuthority authority("authority");
  const TlsKeyPair certificates[] = {authority.Issue().Write("one"),
                                     authority.Issue().Write("two")};
  const auto keys =
      std::make_shared<TlsTicketKeys>(TlsTicketKeys::Options{.period = absl::Seconds(1)});
  const auto of = [&](int which) {
    return TlsServerOptions{.certificates = {certificates[which]}, .ticket_keys = keys};
  };
  const std::shared_ptr<TlsAcceptor> acceptor = TlsAcceptor::Create(of(0)).value();
  const std::shared_ptr<TlsClientContext> client =
      TlsClientContext::Create({.ca_file = authority.Write()}).value();
  std::atomic<int> running = kThreads;
  std::atomic<int> resumed = 0;
  const auto shake_hands = [&] {
    for (int i = 0; i < kHandshakes; ++i) {
      auto [here, there] = MakePair(Family::kUnix);
      IOStream at_server(acceptor->MakeTransport(std::move(here)));
      IOStream at_client(MakeTlsTransport(std::move(there), client, "localhost"));
      auto done = IOLoop::Current().RunSync(Gather(Greet(&at_server), Listen(&at_client)),
                                            absl::Seconds(60));
      ASSERT_THAT(done, IsOk());
      EXPECT_THAT(std::get<0>(*done), IsOk());
      EXPECT_THAT(std::get<1>(*done), IsOk());
      if (TlsTransport::From(at_client.transport())->resumed()) ++resumed;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      shake_hands();
      IOLoop::ClearCurrent();
      --running;
    });
  }
  int reloads = 0;
  while (running > 0) {
    EXPECT_THAT(acceptor->Reload(of(++reloads % 2)), IsOk());
    keys->Advance();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(reloads, 2);
  EXPECT_GT(resumed, 0);
}

}  // namespace
}  // namespace squall::internal
