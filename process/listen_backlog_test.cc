#include "squall/process/listen_backlog.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::squall::testing::Eventually;

ListenSocket Listener(int backlog) {
  return std::move(BindSockets(0, {.address = "127.0.0.1", .backlog = backlog}).value().front());
}

UniqueFd Connect(const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), address.data(), address.size()), 0);
  return fd;
}

// A connection is in the queue once the client's last packet of the handshake was taken.
bool LengthBecomes(const std::vector<int>& listeners, int64_t length) {
  return Eventually([&] { return ReadListenBacklog(listeners)->length == length; });
}

TEST(ListenBacklogTest, CountsWhatWaitsToBeAccepted) {
  const ListenSocket listener = Listener(17);
  const std::vector<int> fds = {listener.fd()};
  ASSERT_TRUE(ReadListenBacklog(fds).has_value());
  EXPECT_EQ(ReadListenBacklog(fds)->length, 0);
  EXPECT_EQ(ReadListenBacklog(fds)->limit, 17);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Connect(listener.address()));
  EXPECT_TRUE(LengthBecomes(fds, 5));
  EXPECT_EQ(ReadListenBacklog(fds)->longest, 5);
  const UniqueFd accepted(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.valid());
  EXPECT_TRUE(LengthBecomes(fds, 4));
}

TEST(ListenBacklogTest, SeveralSocketsAndThoseOfWhichNothingIsKnown) {
  const ListenSocket a = Listener(10);
  const ListenSocket b = Listener(20);
  const ListenSocket unix_socket =
      BindUnixSocket(absl::StrCat(std::string(1, '\0'), "squall-backlog-", getpid())).value();
  const UniqueFd unix_client = Connect(unix_socket.address());
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(Connect(a.address()));
  for (int i = 0; i < 3; ++i) clients.push_back(Connect(b.address()));
  const std::vector<int> fds = {b.fd(), unix_socket.fd(), a.fd(), -1, clients.front().get()};
  EXPECT_TRUE(LengthBecomes(fds, 5));
  EXPECT_EQ(ReadListenBacklog(fds)->longest, 3);
  EXPECT_EQ(ReadListenBacklog(fds)->limit, 30);
}

TEST(ListenBacklogTest, UnknownWithoutAListeningTcpSocket) {
  const ListenSocket unix_socket =
      BindUnixSocket(absl::StrCat(std::string(1, '\0'), "squall-backlog-unix-", getpid())).value();
  const ListenSocket tcp = Listener(10);
  const UniqueFd client = Connect(tcp.address());
  const std::vector<int> fds = {unix_socket.fd(), client.get(), -1};
  EXPECT_FALSE(ReadListenBacklog(fds).has_value());
  EXPECT_FALSE(ReadListenBacklog({}).has_value());
}

}  // namespace
}  // namespace squall
