// Kernel TLS: what the kernel encrypts any TLS peer can read, files go by sendfile(2), and where
// there is none all is as before. Against the kernel that runs the test if it has TLS, and against an
// emulated one always.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/ktls_emulator.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_fixture.h"
#include "squall/ioloop/tls_raw_client.h"
#include "squall/ioloop/tls_transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::KtlsEmulator;
using internal::MakePair;
using internal::Pattern;
using internal::TlsRawClient;
using testing::HasSubstr;

constexpr uint8_t kAlert = 21;
constexpr uint8_t kHandshake = 22;

TlsProtocolOptions WithKtls() { return {.ktls = true}; }

enum class Kernel { kEmulated, kReal };

bool RealKernelHasTls() {
  auto [here, there] = MakePair(Family::kTcp);
  return ::setsockopt(here.get(), IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0;
}

UniqueFd FileOf(std::string_view content) {
  std::string path = std::string(::getenv("TEST_TMPDIR")) + "/file.XXXXXX";
  UniqueFd file(::mkstemp(path.data()));
  EXPECT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(::write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  return file;
}

void Unblock(int fd) { ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK), 0); }

iovec Buffer(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

class KtlsTest : public internal::TlsTest,
                 public testing::WithParamInterface<std::tuple<TlsVersion, Kernel>> {
 protected:
  TlsVersion version() const { return std::get<0>(GetParam()); }
  bool emulated() const { return std::get<1>(GetParam()) == Kernel::kEmulated; }

  void SetUp() override {
    if (emulated()) {
      kernel_.emplace(KtlsEmulator::Tls::kPresent);
    } else if (!RealKernelHasTls()) {
      GTEST_SKIP() << "this kernel has no TLS, or its module is not loaded (modprobe tls)";
    }
  }

  std::shared_ptr<const TlsServerContext> VersionedServer(TlsServerOptions options = {}) {
    options.protocol.ktls = true;
    auto server = Server(options);
    ::SSL_CTX_set_max_proto_version(
        server->ssl_ctx(), version() == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    return server;
  }

  // Both ends after the handshake.
  void ConnectBoth(TlsServerOptions of_server = {}, TlsClientOptions of_client = {}) {
    MakeTransports(VersionedServer(std::move(of_server)), Client(std::move(of_client)));
    Unblock(server_transport_->fd());
    Unblock(client_transport_->fd());
    // So that there is soon no room.
    const int small = 32 << 10;
    ::setsockopt(server_transport_->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    ::setsockopt(client_transport_->fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const Shaken shaken = Shake();
    ASSERT_THAT(shaken.server, IsOk());
    ASSERT_THAT(shaken.client, IsOk());
    ASSERT_TRUE(server_tls().ktls_send());
  }

  // What comes next at the client, up to `size` octets, and less only at the end of the stream.
  std::string Receive(size_t size) { return ReceiveAt(client_transport_.get(), size); }
  std::string ReceiveAt(Transport* transport, size_t size) {
    std::string all;
    while (all.size() < size) {
      if (kernel_.has_value()) kernel_->Push();
      std::string part(size - all.size(), '\0');
      const ssize_t got = transport->Read(part.data(), part.size());
      if (got < 0 && errno == EAGAIN) {
        pollfd input = {.fd = transport->fd(), .events = POLLIN, .revents = 0};
        EXPECT_GE(::poll(&input, 1, 1000), 0);
        continue;
      }
      EXPECT_GE(got, 0) << transport->ErrorStatus(errno, "receiving");
      if (got <= 0) break;
      all += part.substr(0, static_cast<size_t>(got));
    }
    return all;
  }

  // Until there is no room.
  std::string Fill() {
    const std::string block = Pattern(100000);
    std::string all;
    while (true) {
      const iovec buffer = Buffer(block);
      const ssize_t sent = server_transport_->Write(&buffer, 1);
      if (sent < 0) break;
      all += block.substr(0, static_cast<size_t>(sent));
    }
    EXPECT_EQ(errno, EAGAIN);
    return all;
  }

  std::optional<KtlsEmulator> kernel_;
};

INSTANTIATE_TEST_SUITE_P(
    All, KtlsTest,
    testing::Combine(testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                     testing::Values(Kernel::kEmulated, Kernel::kReal)),
    [](const testing::TestParamInfo<std::tuple<TlsVersion, Kernel>>& info) {
      return std::string(std::get<0>(info.param) == TlsVersion::kTls12 ? "Tls12" : "Tls13") +
             (std::get<1>(info.param) == Kernel::kEmulated ? "Emulated" : "Real");
    });

TEST_P(KtlsTest, CarriesWhatTheCiphersOfTheKernelSeal) {
  for (const char* suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    const std::string of_tls12 =
        std::string_view(suite).find("128") != std::string_view::npos       ? "ECDHE+AES128"
        : std::string_view(suite).find("256_GCM") != std::string_view::npos ? "ECDHE+AES256"
                                                                            : "ECDHE+CHACHA20";
    ConnectBoth({.protocol = {.ciphers = of_tls12, .cipher_suites = suite}});
    for (const std::string_view text : {"one", "two", "three"}) {
      const iovec buffer = Buffer(text);
      ASSERT_EQ(server_transport_->Write(&buffer, 1), static_cast<ssize_t>(text.size()));
      EXPECT_EQ(Receive(text.size()), text);
      ASSERT_EQ(client_transport_->Write(&buffer, 1), static_cast<ssize_t>(text.size()));
      EXPECT_EQ(ReceiveAt(server_transport_.get(), text.size()), text);
    }
    EXPECT_FALSE(client_tls().ktls_send());
  }
}

TEST_P(KtlsTest, OfAClient) {
  MakeTransports(VersionedServer(), Client({.protocol = WithKtls()}));
  ASSERT_THAT(Shake().client, IsOk());
  EXPECT_TRUE(client_tls().ktls_send());
  const iovec buffer = Buffer("hello");
  ASSERT_EQ(client_transport_->Write(&buffer, 1), 5);
  EXPECT_EQ(ReceiveAt(server_transport_.get(), 5), "hello");
}

TEST_P(KtlsTest, ManyBuffersLeaveTogether) {
  ConnectBoth();
  const std::string large = Pattern(40000);
  const iovec buffers[] = {Buffer("head"), Buffer(large), Buffer(""), Buffer("tail")};
  ASSERT_EQ(server_transport_->Write(buffers, 4), 40008);
  EXPECT_TRUE(Receive(40008) == "head" + large + "tail");
}

// From memory that is another one in each call, and that nobody may look into later.
TEST_P(KtlsTest, GoesOnWhereItHadNoRoom) {
  ConnectBoth();
  const std::string text = Pattern(1 << 20);
  std::string received;
  size_t sent = 0;
  int stops = 0;
  while (sent < text.size()) {
    const std::string copy = text.substr(sent);
    const iovec buffer = Buffer(copy);
    const ssize_t taken = server_transport_->Write(&buffer, 1);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    ASSERT_EQ(errno, EAGAIN);
    ++stops;
    received += Receive(20000);
  }
  received += Receive(text.size() - received.size());
  EXPECT_GT(stops, 0);
  EXPECT_TRUE(received == text);
}

TEST_P(KtlsTest, FilesGoFromThePageCache) {
  ConnectBoth();
  const std::string content = Pattern(1 << 20);
  const UniqueFd file = FileOf(content);
  const iovec head = Buffer("HTTP/1.1 200 OK\r\n\r\n");
  const ssize_t first = server_transport_->SendFile(&head, 1, file.get(), 0, 5000);
  ASSERT_EQ(first, static_cast<ssize_t>(head.iov_len) + 5000);
  size_t sent = 5000;
  std::string received = Receive(head.iov_len + 5000).substr(head.iov_len);
  while (sent < content.size()) {
    const ssize_t taken =
        server_transport_->SendFile(nullptr, 0, file.get(), sent, content.size() - sent);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    ASSERT_EQ(errno, EAGAIN);
    received += Receive(20000);
  }
  received += Receive(content.size() - received.size());
  EXPECT_TRUE(received == content);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), static_cast<off_t>(content.size()));
  if (emulated()) {
    EXPECT_EQ(kernel_->sendfile_octets(), content.size());
  }
}

TEST_P(KtlsTest, AFileThatIsTooShort) {
  ConnectBoth();
  const UniqueFd file = FileOf("short");
  const iovec head = Buffer("head");
  EXPECT_EQ(server_transport_->SendFile(&head, 1, file.get(), 0, 100), 9);
  EXPECT_EQ(server_transport_->SendFile(&head, 1, file.get(), 5, 95), 4);
  EXPECT_EQ(server_transport_->SendFile(nullptr, 0, file.get(), 5, 95), 0);
  EXPECT_EQ(Receive(13), "headshorthead");
}

TEST_P(KtlsTest, ABlockingSocketWouldWait) {
  MakeTransports(VersionedServer(), Client());
  ASSERT_THAT(Shake().client, IsOk());
  const UniqueFd file = FileOf("content");
  EXPECT_EQ(server_transport_->SendFile(nullptr, 0, file.get(), 0, 7), -1);
  EXPECT_EQ(errno, ENOTSUP);
  const iovec buffer = Buffer("read");
  EXPECT_EQ(server_transport_->Write(&buffer, 1), 4);
  EXPECT_EQ(Receive(4), "read");
}

TEST_P(KtlsTest, CloseIsTheEndOfTheStream) {
  ConnectBoth();
  const int before = emulated() ? kernel_->records(kAlert) : 0;
  const iovec buffer = Buffer("all there is");
  ASSERT_EQ(server_transport_->Write(&buffer, 1), 12);
  server_transport_.reset();
  // Not an end without close_notify, which would be an error.
  EXPECT_EQ(Receive(100), "all there is");
  if (emulated()) {
    EXPECT_EQ(kernel_->records(kAlert), before + 1);
  }
}

TEST_P(KtlsTest, TheEndDoesNotOvertakeWhatWaits) {
  ConnectBoth();
  if (emulated()) kernel_->set_room(40000);
  const std::string text = Fill();
  // It would take the last record now, but TCP could send the end only.
  if (emulated()) kernel_->set_room(1 << 20);
  ASSERT_EQ(server_transport_->ShutdownWrite(), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(server_transport_->write_events(), uint32_t{EPOLLOUT});
  std::string received;
  while (server_transport_->ShutdownWrite() != 0) {
    ASSERT_EQ(errno, EAGAIN);
    received += Receive(20000);
  }
  received += Receive(text.size() + 1 - received.size());
  EXPECT_EQ(received.size(), text.size());
  EXPECT_TRUE(received == text);
  // The other direction goes on.
  const iovec buffer = Buffer("thanks");
  ASSERT_EQ(client_transport_->Write(&buffer, 1), 6);
  EXPECT_EQ(ReceiveAt(server_transport_.get(), 6), "thanks");
}

TEST_P(KtlsTest, APeerThatHasGoneIsAnError) {
  ConnectBoth();
  const UniqueFd file = FileOf(Pattern(100000));
  client_transport_.reset();
  const iovec buffer = Buffer("anybody there?");
  ssize_t sent = 0;
  while (sent >= 0) sent = server_transport_->Write(&buffer, 1);
  EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET) << errno;
  EXPECT_EQ(server_transport_->ErrorStatus(errno, "writing").code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(server_transport_->SendFile(nullptr, 0, file.get(), 0, 100000), -1);
  EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET) << errno;
}

TEST_P(KtlsTest, TicketsGoThroughTheKernel) {
  auto server = VersionedServer();
  auto client = Client();
  for (const bool again : {false, true}) {
    MakeTransports(server, client);
    ASSERT_THAT(Shake().client, IsOk());
    EXPECT_TRUE(server_tls().ktls_send());
    EXPECT_EQ(client_tls().resumed(), again);
  }
  if (emulated()) {
    EXPECT_GE(kernel_->records(kHandshake), 2);
  }
}

TEST_P(KtlsTest, ARefusalGoesThroughTheKernel) {
  MakeTransports(VersionedServer({.client_certificate = TlsClientCertificate::kRequired,
                                  .client_ca_file = root_file_}),
                 Client());
  const Shaken shaken = Shake();
  EXPECT_THAT(shaken.server, StatusIs(absl::StatusCode::kAborted,
                                      HasSubstr("the client has shown no certificate")));
  const bool tls13 = version() == TlsVersion::kTls13;
  EXPECT_THAT(shaken.client,
              StatusIs(absl::StatusCode::kAborted,
                       HasSubstr(tls13 ? "the server requires a" : "finds no common ground")));
  if (emulated() && tls13) {
    EXPECT_EQ(kernel_->records(kAlert), 1);
  }
}

Task<> PushNowAndThen(KtlsEmulator* kernel) {
  while (true) {
    kernel->Push();
    co_await Sleep(absl::Milliseconds(1));
  }
}

Task<absl::StatusOr<std::string>> SendAcross(IOStream* from, IOStream* to, std::string text) {
  const size_t size = text.size();
  auto [received, sent] = co_await Gather(to->ReadBytes(size), from->Write(std::move(text)));
  if (!sent.ok()) co_return sent;
  co_return received;
}

TEST_P(KtlsTest, UnderStreams) {
  Connect(VersionedServer(), Client({.protocol = WithKtls()}));
  if (emulated()) loop_.Spawn(PushNowAndThen(&*kernel_));
  const std::string text = Pattern(1000000);
  EXPECT_TRUE(*Run(SendAcross(server_.get(), client_.get(), text)) == text);
  EXPECT_TRUE(*Run(SendAcross(client_.get(), server_.get(), text)) == text);
  ASSERT_THAT(Run(server_->Write("all there is")), IsOk());
  server_->Close();
  EXPECT_THAT(Run(client_->ReadUntilClose()), IsOkAndHolds("all there is"));
}

class KtlsKeyUpdateTest : public internal::TlsTest {
 protected:
  KtlsEmulator kernel_{KtlsEmulator::Tls::kPresent};
};

// OpenSSL would go on with new keys, and the kernel with the old ones.
TEST_F(KtlsKeyUpdateTest, EndsTheConnectionWithTheNextWrite) {
  auto [here, there] = MakePair(Family::kTcp);
  Unblock(here.get());
  // What is sent is there at once.
  const int on = 1;
  ASSERT_EQ(::setsockopt(here.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
  const std::unique_ptr<Transport> server =
      MakeTlsTransport(std::move(here), Server({.protocol = WithKtls()}));
  TlsRawClient client;
  ASSERT_TRUE(client.ShakeHands(there.get(), [&] { server->Handshake(); }));
  std::string output = client.TakeOutput();
  ASSERT_EQ(::send(there.get(), output.data(), output.size(), 0),
            static_cast<ssize_t>(output.size()));
  ASSERT_EQ(server->Handshake(), 0);
  EXPECT_EQ(client.Listen(there.get()), "") << "tickets";
  client.UpdateKeys();
  client.Say("old");
  output = client.TakeOutput();
  ASSERT_EQ(::send(there.get(), output.data(), output.size(), 0),
            static_cast<ssize_t>(output.size()));
  char data[10];
  ASSERT_EQ(server->Read(data, sizeof data), 3);
  ASSERT_TRUE(TlsTransport::From(server.get())->ktls_send());
  const iovec buffer = Buffer("answer");
  EXPECT_EQ(server->Write(&buffer, 1), 6) << "the client's keys are its own affair";
  EXPECT_EQ(client.Listen(there.get()), "answer");

  client.UpdateAllKeys();
  client.Say("new");
  output = client.TakeOutput();
  ASSERT_EQ(::send(there.get(), output.data(), output.size(), 0),
            static_cast<ssize_t>(output.size()));
  EXPECT_EQ(server->Read(data, sizeof data), 3);
  const UniqueFd file = FileOf("content");
  EXPECT_EQ(server->SendFile(nullptr, 0, file.get(), 0, 7), -1);
  EXPECT_EQ(errno, EPROTO);
  EXPECT_EQ(server->Write(&buffer, 1), -1);
  EXPECT_EQ(errno, EPROTO);
  EXPECT_THAT(server->ErrorStatus(errno, "writing"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("asks for new keys (KeyUpdate)")));
  EXPECT_EQ(client.Listen(there.get()), "");
}

class NoKtlsTest : public internal::TlsTest {
 protected:
  void ExpectAsEver() {
    ASSERT_THAT(Shake().client, IsOk());
    EXPECT_EQ(::ERR_peek_error(), 0u);
    EXPECT_FALSE(server_tls().ktls_send());
    const UniqueFd file = FileOf("content");
    EXPECT_EQ(server_transport_->SendFile(nullptr, 0, file.get(), 0, 7), -1);
    EXPECT_EQ(errno, ENOTSUP);
    MakeStreams();
    const std::string text = Pattern(1000000);
    EXPECT_TRUE(*Run(SendAcross(server_.get(), client_.get(), text)) == text);
    server_->Close();
    EXPECT_THAT(Run(client_->ReadUntilClose()), IsOkAndHolds(""));
  }
};

TEST_F(NoKtlsTest, AKernelWithoutIt) {
  const KtlsEmulator kernel(KtlsEmulator::Tls::kMissing);
  MakeTransports(Server({.protocol = WithKtls()}), Client());
  ExpectAsEver();
  EXPECT_EQ(kernel.asked(), 1);
}

TEST_F(NoKtlsTest, IsNotAskedForUnlessWanted) {
  const KtlsEmulator kernel(KtlsEmulator::Tls::kPresent);
  MakeTransports(Server(), Client());
  ExpectAsEver();
  EXPECT_EQ(kernel.asked(), 0);
}

TEST_F(NoKtlsTest, ACipherThatTheKernelDoesNotTake) {
  const KtlsEmulator kernel(KtlsEmulator::Tls::kPresent);
  MakeTransports(Server({.protocol = {.cipher_suites = "TLS_AES_128_CCM_SHA256", .ktls = true}}),
                 Client({.protocol = {.cipher_suites = "TLS_AES_128_CCM_SHA256"}}));
  ExpectAsEver();
  EXPECT_EQ(kernel.started(), 0);
}

// A unix socket, which has no kTLS in any kernel.
TEST_F(NoKtlsTest, ASocketThatIsNotTcp) {
  auto [here, there] = MakePair(Family::kUnix);
  server_transport_ = MakeTlsTransport(std::move(here), Server({.protocol = WithKtls()}));
  client_transport_ = MakeTlsTransport(std::move(there), Client(), "localhost");
  ExpectAsEver();
}

}  // namespace
}  // namespace squall
