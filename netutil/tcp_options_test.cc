#include "squall/netutil/tcp_options.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

int Option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &size), 0) << option;
  return value;
}

bool Readable(int fd, int timeout_ms) {
  pollfd poll = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, timeout_ms) == 1;
}

UniqueFd Socket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

UniqueFd ConnectedTo(const ListenSocket& listener) {
  UniqueFd client = Socket();
  EXPECT_EQ(::connect(client.get(), listener.address().data(), listener.address().size()), 0);
  return client;
}

UniqueFd AcceptFrom(const ListenSocket& listener) {
  EXPECT_TRUE(Readable(listener.fd(), 30'000));
  return UniqueFd(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
}

ListenSocket Listener(const TcpOptions& tcp) {
  std::vector<ListenSocket> sockets = BindSockets(0, {.address = "127.0.0.1", .tcp = tcp}).value();
  return std::move(sockets.front());
}

const TcpOptions kAllOfThem = {
    .keepalive = TcpKeepalive{.idle = absl::Seconds(30), .interval = absl::Seconds(5), .count = 3},
    .user_timeout = absl::Milliseconds(20'500),
    .send_buffer_size = 40'000,
    .receive_buffer_size = 50'000,
};

void ExpectAllOfThem(int fd) {
  EXPECT_NE(Option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 20'500);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 40'000);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 50'000);
}

TEST(TcpOptionsTest, ConnectionsHaveThem) {
  const UniqueFd fd = Socket();
  ASSERT_THAT(ApplyToConnection(kAllOfThem, fd.get()), IsOk());
  ExpectAllOfThem(fd.get());
}

TEST(TcpOptionsTest, AcceptedConnectionsInheritThemFromTheListener) {
  const ListenSocket listener = Listener(kAllOfThem);
  ExpectAllOfThem(listener.fd());
  const UniqueFd client = ConnectedTo(listener);
  ExpectAllOfThem(AcceptFrom(listener).get());
}

TEST(TcpOptionsTest, WhatIsNotSetStaysTheKernels) {
  const UniqueFd untouched = Socket();
  const UniqueFd fd = Socket();
  ASSERT_THAT(ApplyBeforeConnect({.nodelay = false}, fd.get()), IsOk());
  for (const int option : {TCP_NODELAY, TCP_KEEPIDLE, TCP_USER_TIMEOUT, TCP_FASTOPEN_CONNECT}) {
    EXPECT_EQ(Option(fd.get(), IPPROTO_TCP, option), Option(untouched.get(), IPPROTO_TCP, option));
  }
  EXPECT_EQ(Option(fd.get(), SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(Option(fd.get(), SOL_SOCKET, SO_RCVBUF),
            Option(untouched.get(), SOL_SOCKET, SO_RCVBUF));
  ASSERT_THAT(ApplyToConnection({}, fd.get()), IsOk());
  EXPECT_NE(Option(fd.get(), IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST(TcpOptionsTest, DeferAcceptKeepsSilentConnectionsFromTheServer) {
  const ListenSocket listener = Listener({.defer_accept = absl::Seconds(30)});
  EXPECT_GE(Option(listener.fd(), IPPROTO_TCP, TCP_DEFER_ACCEPT), 30);
  const UniqueFd silent = ConnectedTo(listener);
  // One that speaks comes first although it connected later.
  const UniqueFd talker = ConnectedTo(listener);
  ASSERT_EQ(::send(talker.get(), "x", 1, MSG_NOSIGNAL), 1);
  const UniqueFd accepted = AcceptFrom(listener);
  ASSERT_TRUE(accepted.valid());
  EXPECT_EQ(*SocketAddress::Peer(accepted.get()), *SocketAddress::Local(talker.get()));
  EXPECT_FALSE(Readable(listener.fd(), 200));
  ASSERT_EQ(::send(silent.get(), "x", 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(AcceptFrom(listener).valid());
}

TEST(TcpOptionsTest, WithoutDeferAcceptASilentConnectionIsAccepted) {
  const ListenSocket listener = Listener({});
  const UniqueFd silent = ConnectedTo(listener);
  EXPECT_TRUE(AcceptFrom(listener).valid());
}

TEST(TcpOptionsTest, Fastopen) {
  const ListenSocket listener = Listener({.fastopen_queue = 7});
  EXPECT_EQ(Option(listener.fd(), IPPROTO_TCP, TCP_FASTOPEN), 7);
  const UniqueFd client = Socket();
  const absl::Status applied = ApplyBeforeConnect({.fastopen_connect = true}, client.get());
  // EOPNOTSUPP where net.ipv4.tcp_fastopen turns it off.
  if (applied.code() == absl::StatusCode::kUnimplemented) GTEST_SKIP() << applied;
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(Option(client.get(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
  ASSERT_EQ(::connect(client.get(), listener.address().data(), listener.address().size()), 0);
  ASSERT_EQ(::send(client.get(), "x", 1, MSG_NOSIGNAL), 1);
  const UniqueFd accepted = AcceptFrom(listener);
  char octet = 0;
  EXPECT_EQ(::recv(accepted.get(), &octet, 1, 0), 1);
  EXPECT_EQ(octet, 'x');
}

TEST(TcpOptionsTest, NothingOnUnixSockets) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int before = Option(fd.get(), SOL_SOCKET, SO_RCVBUF);
  EXPECT_THAT(ApplyToConnection(kAllOfThem, fd.get()), IsOk());
  EXPECT_THAT(ApplyToListener(kAllOfThem, fd.get()), IsOk());
  EXPECT_THAT(ApplyBeforeConnect({.fastopen_connect = true}, fd.get()), IsOk());
  EXPECT_EQ(Option(fd.get(), SOL_SOCKET, SO_RCVBUF), before);
}

TEST(TcpOptionsTest, WhatIsNoSocketIsAnError) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(ApplyToConnection({}, file.get()),
              StatusIs(testing::_, HasSubstr("cannot set TCP_NODELAY to 1: ")));
}

TEST(TcpOptionsTest, ValidateNamesTheWrongOption) {
  EXPECT_THAT(Validate(TcpOptions()), IsOk());
  EXPECT_THAT(Validate(kAllOfThem), IsOk());
  const auto refused = [](const TcpOptions& options, const char* option, const char* value) {
    EXPECT_THAT(Validate(options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(option), HasSubstr(value), HasSubstr("it must be "))));
  };
  refused({.keepalive = TcpKeepalive{.idle = absl::ZeroDuration()}}, "keepalive.idle", "is 0;");
  refused({.keepalive = TcpKeepalive{.interval = absl::Milliseconds(1500)}}, "keepalive.interval",
          "is 1.5s;");
  refused({.keepalive = TcpKeepalive{.count = 128}}, "keepalive.count", "is 128;");
  refused({.user_timeout = absl::Microseconds(10)}, "user_timeout", "is 10us;");
  refused({.user_timeout = absl::InfiniteDuration()}, "user_timeout", "is inf;");
  refused({.send_buffer_size = -1}, "send_buffer_size", "is -1;");
  refused({.receive_buffer_size = -7}, "receive_buffer_size", "is -7;");
  refused({.defer_accept = absl::Milliseconds(10)}, "defer_accept", "is 10ms;");
  refused({.fastopen_queue = 70'000}, "fastopen_queue", "is 70000;");
}

TEST(TcpOptionsTest, BindSocketsRefusesWrongOnes) {
  EXPECT_THAT(BindSockets(0, {.address = "127.0.0.1", .tcp = {.send_buffer_size = -1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("send_buffer_size")));
}

}  // namespace
}  // namespace squall
