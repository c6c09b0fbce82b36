// Connect against real sockets, with Tornado's TCPClientTest (tcpclient_test.py).
#include "squall/netutil/connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/handshake.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/periodic_callback.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/tls_client_context.h"
#include "squall/ioloop/tls_server_context.h"
#include "squall/ioloop/tls_test_certificates.h"
#include "squall/ioloop/tls_transport.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/with_timeout.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

SocketAddress Parse(const std::string& text) { return SocketAddress::Parse(text).value(); }

int OpenDescriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

class ConnectTest : public testing::Test {
 protected:
  absl::StatusOr<IOStream> RunConnect(const std::string& host, uint16_t port,
                                      ConnectOptions options = {}) {
    return loop_.RunSync(Connect(host, port, std::move(options)), absl::Seconds(60));
  }
  absl::StatusOr<IOStream> RunConnect(SocketAddress address, ConnectOptions options = {}) {
    return loop_.RunSync(Connect(address, std::move(options)), absl::Seconds(60));
  }

  // A port on 127.0.0.1 that nobody had a moment ago.
  static uint16_t FreePort() {
    const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
    return sockets[0].port();
  }

  // A port on 127.0.0.1 that refuses. It stays bound, so that nobody else gets it meanwhile, and no
  // connection has it at its own end.
  uint16_t RefusingPort() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress any = Parse("127.0.0.1:0");
    EXPECT_EQ(::bind(fd.get(), any.data(), any.size()), 0);
    const uint16_t port = SocketAddress::Local(fd.get())->port();
    held_.push_back(std::move(fd));
    return port;
  }

  // One whose backlog is full: it does not answer at all.
  void FillBacklog(const ListenSocket& socket) {
    for (int i = 0; i < 8; ++i) {
      UniqueFd fd(
          ::socket(socket.address().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fd.get(), socket.address().data(), socket.address().size());
      fillers_.push_back(std::move(fd));
    }
  }

  static ResolverOptions Names(std::vector<SocketAddress> addresses) {
    ResolverOptions options;
    options.lookup = [addresses = std::move(addresses)](const std::string&, int) {
      return addresses;
    };
    return options;
  }

  IOLoop& loop_ = IOLoop::Current();
  std::vector<UniqueFd> fillers_;
  std::vector<UniqueFd> held_;
};

// Tornado's, over every socket that is bound.
class TCPClientTest : public ConnectTest {
 protected:
  void DoTestConnect(int family, const std::string& host, ConnectOptions options = {}) {
    // "localhost" may have one address only.
    const std::string address = family == AF_INET6 ? "::1" : "localhost";
    const auto sockets = BindSockets(0, {.address = address, .family = family});
    if (!sockets.ok()) GTEST_SKIP() << sockets.status().message();
    absl::StatusOr<IOStream> stream = RunConnect(host, sockets->front().port(), std::move(options));
    ASSERT_THAT(stream, IsOk());
    EXPECT_THAT(loop_.RunSync(stream->Write("hello")), IsOk());
    UniqueFd accepted;
    for (const ListenSocket& socket : *sockets) {
      if (!accepted.valid()) accepted.reset(::accept(socket.fd(), nullptr, nullptr));
    }
    ASSERT_TRUE(accepted.valid());
    char data[6] = "";
    EXPECT_EQ(::recv(accepted.get(), data, 5, 0), 5);
    EXPECT_STREQ(data, "hello");
  }
};

TEST_F(TCPClientTest, connect_ipv4_ipv4) { DoTestConnect(AF_INET, "127.0.0.1"); }
TEST_F(TCPClientTest, connect_ipv4_dual) { DoTestConnect(AF_INET, "localhost"); }
TEST_F(TCPClientTest, connect_ipv6_ipv6) { DoTestConnect(AF_INET6, "::1"); }
TEST_F(TCPClientTest, connect_unspec_ipv4) { DoTestConnect(AF_UNSPEC, "127.0.0.1"); }
TEST_F(TCPClientTest, connect_unspec_dual) { DoTestConnect(AF_UNSPEC, "localhost"); }

// Where "localhost" has one family alone, the resolver gives both.
TEST_F(TCPClientTest, connect_ipv6_dual) {
  Resolver both(Names({Parse("127.0.0.1:0"), Parse("[::1]:0")}));
  DoTestConnect(AF_INET6, "localhost", {.resolver = &both});
}
TEST_F(TCPClientTest, connect_unspec_ipv6) {
  const auto sockets = BindSockets(0, {.address = "::1"});
  if (!sockets.ok()) GTEST_SKIP() << sockets.status().message();
  EXPECT_THAT(RunConnect("::1", sockets->front().port()), IsOk());
}

TEST_F(TCPClientTest, refused_ipv4) {
  const uint16_t port = RefusingPort();
  const auto stream = RunConnect("127.0.0.1", port);
  EXPECT_THAT(stream, StatusIs(absl::StatusCode::kUnavailable,
                               absl::StrCat("cannot connect to \"127.0.0.1\" port ", port,
                                            ": Connection refused")));
  EXPECT_EQ(ErrnoFromStatus(stream.status()), ECONNREFUSED);
}

TEST_F(TCPClientTest, source_ip_fail) {
  EXPECT_THAT(
      RunConnect("127.0.0.1", RefusingPort(), {.source = Parse("8.8.8.8:0")}),
      StatusIs(testing::_, HasSubstr("cannot come from 8.8.8.8:0: Cannot assign requested")));
}

TEST_F(TCPClientTest, source_ip_success) {
  DoTestConnect(AF_INET, "127.0.0.1", {.source = Parse("127.0.0.1:0")});
}

TEST_F(TCPClientTest, source_port_fail) {
  const auto taken = BindSockets(0, {.address = "127.0.0.1"}).value();
  EXPECT_THAT(RunConnect("127.0.0.1", RefusingPort(), {.source = taken[0].address()}),
              StatusIs(testing::_, HasSubstr("Address already in use")));
}

TEST_F(TCPClientTest, connect_timeout) {
  std::promise<void> open;
  ResolverOptions names;
  names.lookup = [gate = open.get_future().share()](const std::string&, int) {
    gate.wait();
    return std::vector<SocketAddress>{Parse("127.0.0.1:0")};
  };
  Resolver resolver(std::move(names));
  EXPECT_THAT(
      RunConnect("slow.example", 1, {.timeout = absl::Milliseconds(50), .resolver = &resolver}),
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               "cannot resolve host name \"slow.example\" within 50ms"));
  open.set_value();
}

TEST_F(ConnectTest, ASourceAddressIsSeenByTheServer) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  // All of 127.0.0.0/8 is this machine.
  const auto stream = RunConnect(sockets[0].address(), {.source = Parse("127.0.0.5:0")});
  ASSERT_THAT(stream, IsOk());
  const UniqueFd accepted(::accept(sockets[0].fd(), nullptr, nullptr));
  EXPECT_EQ(SocketAddress::Peer(accepted.get())->host(), "127.0.0.5");
}

TEST_F(ConnectTest, TheSocketHasItsOptions) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  const auto stream = RunConnect(sockets[0].address(),
                                 {.tcp = {.keepalive = TcpKeepalive{.idle = absl::Seconds(7)}}});
  ASSERT_THAT(stream, IsOk());
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(stream->fd(), SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
  EXPECT_EQ(value, 1);
  EXPECT_EQ(::fcntl(stream->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(ConnectTest, EachAddressIsTold) {
  const uint16_t port = RefusingPort();
  Resolver resolver(Names({Parse("127.0.0.1:0"), Parse("[::1]:0"), Parse("127.0.0.2:0")}));
  EXPECT_THAT(
      RunConnect("app.example", port, {.resolver = &resolver}),
      StatusIs(absl::StatusCode::kUnavailable,
               AnyOf(absl::StrCat("cannot connect to \"app.example\" port ", port,
                                  ": 127.0.0.1:", port, ": Connection refused; [::1]:", port,
                                  ": Connection refused; 127.0.0.2:", port, ": Connection refused"),
                     // Without an IPv6.
                     HasSubstr(absl::StrCat("[::1]:", port, ": Cannot assign")))));
}

TEST_F(ConnectTest, ADeadAddressCostsTheDelayAlone) {
  const auto dead = BindSockets(0, {.address = "127.0.0.1", .backlog = 1}).value();
  FillBacklog(dead[0]);
  const auto alive = internal::ListenOn(Parse(absl::StrCat("127.0.0.2:", dead[0].port())), {});
  ASSERT_THAT(alive, IsOk());
  Resolver resolver(Names({Parse("127.0.0.1:0"), Parse("127.0.0.2:0")}));
  const auto stream = RunConnect("app.example", dead[0].port(),
                                 {.attempt_delay = absl::Milliseconds(10), .resolver = &resolver});
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(SocketAddress::Peer(stream->fd())->host(), "127.0.0.2");
}

// A name service that answers each question when told to; that for both families after both.
class NameService {
 public:
  explicit NameService(std::vector<SocketAddress> names) : names_(std::move(names)) {}

  void Answer(int family) {
    std::lock_guard<std::mutex> lock(mutex_);
    silent_.erase(family);
    answers_.notify_all();
  }
  bool WasAsked(int family) {
    std::lock_guard<std::mutex> lock(mutex_);
    return asked_.count(family) != 0;
  }
  absl::StatusOr<std::vector<SocketAddress>> LookUp(int family) {
    std::unique_lock<std::mutex> lock(mutex_);
    asked_.insert(family);
    answers_.wait(
        lock, [&] { return family == AF_UNSPEC ? silent_.empty() : silent_.count(family) == 0; });
    std::vector<SocketAddress> found;
    for (const SocketAddress& name : names_) {
      if (family == AF_UNSPEC || family == name.family()) found.push_back(name);
    }
    return found;
  }

 private:
  const std::vector<SocketAddress> names_;
  // Not absl's, which the thread sanitizer cannot see into.
  std::mutex mutex_;
  std::condition_variable answers_;
  std::set<int> silent_ = {AF_INET, AF_INET6};
  std::set<int> asked_;
};

class SlowNamesTest : public ConnectTest {
 protected:
  // The threads of the resolver that wait.
  ~SlowNamesTest() override {
    service_->Answer(AF_INET);
    service_->Answer(AF_INET6);
  }
  absl::StatusOr<IOStream> RunConnect(uint16_t port, absl::Duration timeout = absl::Seconds(30)) {
    ResolverOptions names;
    names.lookup = [service = service_](const std::string&, int family) {
      return service->LookUp(family);
    };
    Resolver resolver(std::move(names));
    return ConnectTest::RunConnect("app.example", port,
                                   {.timeout = timeout, .resolver = &resolver});
  }

  std::shared_ptr<NameService> service_ = std::make_shared<NameService>(
      std::vector<SocketAddress>{Parse("[::1]:0"), Parse("127.0.0.1:0")});
};

TEST_F(SlowNamesTest, NoAnswerForIPv6) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  service_->Answer(AF_INET);
  const absl::StatusOr<IOStream> stream = RunConnect(sockets[0].port());
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(SocketAddress::Peer(stream->fd())->host(), "127.0.0.1");
}

// Nobody listens at the address of IPv6, and so only what comes later can help.
TEST_F(SlowNamesTest, AnAnswerForIPv4ThatIsLate) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  service_->Answer(AF_INET6);
  int turns = 0;
  PeriodicCallback late(absl::Milliseconds(10), [&] {
    if (service_->WasAsked(AF_INET) && ++turns == 5) service_->Answer(AF_INET);
  });
  late.Start();
  const absl::StatusOr<IOStream> stream = RunConnect(sockets[0].port());
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(SocketAddress::Peer(stream->fd())->host(), "127.0.0.1");
}

TEST_F(SlowNamesTest, WhatFailedIsToldWhenNothingMoreComes) {
  service_->Answer(AF_INET);
  int turns = 0;
  PeriodicCallback late(absl::Milliseconds(10), [&] {
    if (service_->WasAsked(AF_INET) && ++turns == 5) service_->Answer(AF_INET6);
  });
  late.Start();
  EXPECT_THAT(RunConnect(RefusingPort()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1")));
  EXPECT_GE(turns, 5);
}

TEST_F(SlowNamesTest, NoAnswerAtAll) {
  EXPECT_THAT(RunConnect(1, absl::Milliseconds(100)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "cannot resolve host name \"app.example\" within 100ms"));
  EXPECT_TRUE(service_->WasAsked(AF_INET));
  EXPECT_TRUE(service_->WasAsked(AF_INET6));
}

TEST_F(ConnectTest, TheDeadlineTellsWhatWasTriedAndLeavesNothingOpen) {
  const auto dead = BindSockets(0, {.address = "127.0.0.1", .backlog = 1}).value();
  FillBacklog(dead[0]);
  const int before = OpenDescriptors();
  EXPECT_THAT(RunConnect(dead[0].address(), {.timeout = absl::Milliseconds(50)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       absl::StrCat("cannot connect to ", dead[0].address().ToString(),
                                    " within 50ms: no answer")));
  EXPECT_EQ(OpenDescriptors(), before);
  // The same when somebody else ends the task.
  EXPECT_THAT(loop_.RunSync(WithTimeout(absl::Milliseconds(20), Connect(dead[0].address())),
                            absl::Seconds(60)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ConnectTest, ToUnixSockets) {
  const std::string name = absl::StrCat("squall-connect-test-", ::getpid());
  const auto socket = BindUnixSocket(std::string(1, '\0') + name);
  ASSERT_THAT(socket, IsOk());
  const auto stream = RunConnect(Parse("unix-abstract:" + name));
  ASSERT_THAT(stream, IsOk());
  EXPECT_THAT(RunConnect(Parse("unix:/no/such/socket")),
              StatusIs(absl::StatusCode::kNotFound,
                       "cannot connect to unix:/no/such/socket: No such file or directory"));
}

TEST_F(ConnectTest, AUnixServerWithAFullBacklogIsTriedAgain) {
  const std::string name = absl::StrCat("squall-backlog-test-", ::getpid());
  const auto socket = BindUnixSocket(std::string(1, '\0') + name, {.backlog = 1});
  ASSERT_THAT(socket, IsOk());
  FillBacklog(*socket);
  EXPECT_THAT(RunConnect(socket->address(), {.timeout = absl::Milliseconds(50)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("no answer")));
  const Timeout make_room = loop_.CallLater(
      absl::Milliseconds(20), [&] { UniqueFd(::accept(socket->fd(), nullptr, nullptr)); });
  EXPECT_THAT(RunConnect(socket->address()), IsOk());
}

TEST_F(ConnectTest, ATransportOfTheCallers) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  int made = 0;
  ConnectOptions options;
  options.transport = [&](UniqueFd socket) {
    ++made;
    return MakePlainTransport(std::move(socket));
  };
  absl::StatusOr<IOStream> stream = RunConnect(sockets[0].address(), std::move(options));
  ASSERT_THAT(stream, IsOk());
  EXPECT_EQ(made, 1);
  EXPECT_THAT(loop_.RunSync(stream->Write("x")), IsOk());
}

TEST_F(ConnectTest, ATransportThatIsNoneIsRefused) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  ConnectOptions options;
  options.transport = [](UniqueFd) { return nullptr; };
  EXPECT_THAT(RunConnect(sockets[0].address(), std::move(options)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("made no transport")));
}

// A transport that shakes hands.
class TlsConnectTest : public ConnectTest {
 protected:
  // The server may still wait for the end of its handshake.
  ~TlsConnectTest() override { IOLoop::ClearCurrent(); }

  // A connection to socket_ that expects a certificate for `name`.
  ConnectOptions Tls(const std::string& name, absl::Duration timeout = absl::Seconds(30)) {
    ConnectOptions options;
    options.timeout = timeout;
    options.transport = [this, name](UniqueFd socket) {
      return MakeTlsTransport(std::move(socket), client_, name);
    };
    return options;
  }
  // What the error of a connection to socket_ begins with.
  std::string CannotConnect() const {
    return absl::StrCat("cannot connect to ", socket_.address().ToString());
  }

  // Serves one connection with a certificate for localhost.
  AcceptHandle Serve() {
    return AddAcceptHandler(loop_, socket_, [this](UniqueFd connection, SocketAddress) {
      served_ = MakeTlsTransport(std::move(connection), server_);
      loop_.Spawn(Shake(served_.get()));
    });
  }
  static Task<> Shake(Transport* transport) { (co_await Handshake(transport)).IgnoreError(); }

  const internal::TestAuthority authority_{"authority"};
  const std::shared_ptr<const TlsServerContext> server_ =
      TlsServerContext::Create(
          {.certificates = {authority_.Issue().Write("site")}, .alpn = {"two", "one"}})
          .value();
  const std::shared_ptr<TlsClientContext> client_ =
      TlsClientContext::Create({.ca_file = authority_.Write(), .alpn = {"one", "zero"}}).value();
  const ListenSocket socket_ = std::move(BindSockets(0, {.address = "127.0.0.1"}).value()[0]);
  std::unique_ptr<Transport> served_;
};

TEST_F(TlsConnectTest, WhatWasAgreedOnIsKnown) {
  const AcceptHandle serving = Serve();
  const absl::StatusOr<IOStream> stream = RunConnect(socket_.address(), Tls("localhost"));
  ASSERT_THAT(stream, IsOk());
  const TlsTransport* const tls = TlsTransport::From(stream->transport());
  ASSERT_NE(tls, nullptr);
  EXPECT_TRUE(tls->handshake_done());
  EXPECT_EQ(tls->alpn(), "one");
}

TEST_F(TlsConnectTest, AServerThatNeverAnswersTheHandshake) {
  const int before = OpenDescriptors();
  EXPECT_THAT(
      RunConnect(socket_.address(), Tls("localhost", absl::Milliseconds(50))),
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               CannotConnect() + " within 50ms: connected, but the handshake was not done"));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(TlsConnectTest, ACertificateForAnotherName) {
  const AcceptHandle serving = Serve();
  EXPECT_THAT(RunConnect(socket_.address(), Tls("another.test")),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(StartsWith(CannotConnect() + ": "), HasSubstr("another.test"))));
}

// The kernel may choose the port that is asked for as the port of this end.
TEST_F(ConnectTest, NotToItself) {
  const uint16_t port = FreePort();
  const SocketAddress address = Parse(absl::StrCat("127.0.0.1:", port));
  EXPECT_THAT(RunConnect(address, {.source = address}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Connection refused")));
}

TEST_F(ConnectTest, OptionsThatMakeNoSense) {
  EXPECT_THAT(RunConnect("127.0.0.1", 1, {.attempt_delay = absl::Milliseconds(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be at least 10ms")));
  EXPECT_THAT(RunConnect(Parse("127.0.0.1:1"), {.tcp = {.send_buffer_size = -1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("send_buffer_size")));
  EXPECT_THAT(RunConnect("::1", 1, {.source = Parse("127.0.0.1:0")}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("::1 is not an IPv4 address")));
  EXPECT_THAT(RunConnect(Parse("[::1]:1"), {.source = Parse("127.0.0.1:0")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of another family")));
  EXPECT_THAT(RunConnect(SocketAddress()), StatusIs(testing::_, HasSubstr("unspecified")));
}

// The coroutine of a periodic callback that the loop's end finds waiting.
TEST_F(ConnectTest, TheLoopEndsFirst) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1", .backlog = 1}).value();
  FillBacklog(sockets[0]);
  const SocketAddress address = sockets[0].address();
  bool began = false;
  PeriodicCallback tries(absl::Milliseconds(1), [&]() -> Task<> {
    began = true;
    (co_await Connect(address)).IgnoreError();
  });
  tries.Start();
  EXPECT_THAT(loop_.RunSync(Connect(address), absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, testing::_));
  EXPECT_TRUE(began);
  IOLoop::ClearCurrent();
}

}  // namespace
}  // namespace squall
