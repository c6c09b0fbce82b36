#include "squall/netutil/inherited_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/netutil/isolated_process.h"
#include "squall/netutil/reuse_port_listeners.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr int kFirstFd = 3;

// A manager's socket, bound and, unless `type` says otherwise, listening.
UniqueFd MakeSocket(const SocketAddress& address, int type = SOCK_STREAM, bool v6only = false) {
  UniqueFd fd(::socket(address.family(), type | SOCK_CLOEXEC, 0));
  const int on = 1, v6only_value = v6only ? 1 : 0;
  if (!address.is_unix()) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6only_value, sizeof v6only_value);
  }
  EXPECT_EQ(::bind(fd.get(), address.data(), address.size()), 0) << address;
  EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd.get(), 16) == 0);
  return fd;
}
UniqueFd MakeSocket(std::string_view address, int type = SOCK_STREAM, bool v6only = false) {
  return MakeSocket(SocketAddress::Parse(address).value(), type, v6only);
}

uint16_t PortOf(const UniqueFd& fd) { return SocketAddress::Local(fd.get())->port(); }

ino_t Inode(int fd) {
  struct stat found = {};
  return ::fstat(fd, &found) == 0 ? found.st_ino : 0;
}

bool HasIpv6() {
  const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress any = SocketAddress::Parse("[::1]:0").value();
  return fd.valid() && ::bind(fd.get(), any.data(), any.size()) == 0;
}

template <typename... Fds>
std::vector<UniqueFd> ListOf(Fds... fds) {
  std::vector<UniqueFd> list;
  (list.push_back(std::move(fds)), ...);
  return list;
}

// Passes `fds` to this process as a manager does, in the place of all that it has but stdio.
void Pass(std::vector<UniqueFd> fds, const std::string& names = "") {
  constexpr int kOutOfTheWay = 200;
  std::vector<int> moved;
  for (UniqueFd& fd : fds) {
    moved.push_back(::fcntl(fd.get(), F_DUPFD, kOutOfTheWay));
    fd.reset();
  }
  ASSERT_EQ(::close_range(kFirstFd, kOutOfTheWay - 1, 0), 0);
  int next = kFirstFd;
  for (const int fd : moved) {
    ASSERT_EQ(::dup2(fd, next), next);
    ++next;
  }
  ASSERT_EQ(::close_range(kOutOfTheWay, UINT_MAX, 0), 0);
  ::setenv("LISTEN_PID", absl::StrCat(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", absl::StrCat(moved.size()).c_str(), 1);
  if (!names.empty()) ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

void ExpectNothingInEnvironment() {
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    EXPECT_EQ(std::getenv(name), nullptr) << name;
  }
}

std::string RandomName() { return std::to_string(absl::Uniform<uint64_t>(absl::BitGen())); }

// Each test is a process of its own, in an empty directory.
class InheritedSocketsTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = "/tmp/inherited.XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void InProgram(absl::FunctionRef<void()> body) {
    EXPECT_EQ(RunIsolated(body), Isolated::kPassed);
  }
  std::string UnixPath() const { return directory_ + "/s"; }

  std::string directory_;
};

TEST_F(InheritedSocketsTest, IsTakenForItsAddress) {
  InProgram([] {
    UniqueFd first = MakeSocket("127.0.0.1:0");
    UniqueFd second = MakeSocket("127.0.0.1:0");
    const uint16_t port = PortOf(second);
    const ino_t inode = Inode(second.get());
    Pass(ListOf(std::move(first), std::move(second)));

    const auto sockets = BindSockets(port, {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    ASSERT_EQ(sockets->size(), 1u);
    const ListenSocket& socket = sockets->front();
    EXPECT_TRUE(socket.inherited());
    EXPECT_EQ(socket.fd(), kFirstFd + 1);
    EXPECT_EQ(Inode(socket.fd()), inode);
    EXPECT_EQ(socket.address().ToString(), absl::StrCat("127.0.0.1:", port));
    EXPECT_TRUE(::fcntl(socket.fd(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(kFirstFd, F_GETFD) & FD_CLOEXEC) << "the unused one, too";
    EXPECT_TRUE(::fcntl(socket.fd(), F_GETFD) & FD_CLOEXEC);
    ExpectNothingInEnvironment();
  });
}

TEST_F(InheritedSocketsTest, WhatIsBoundAnewIsNotInherited) {
  InProgram([] {
    EXPECT_FALSE(BindSockets(0, {.address = "127.0.0.1"})->front().inherited());
    EXPECT_FALSE(ListenSocket().inherited());
  });
}

TEST_F(InheritedSocketsTest, EachIsUsedOnce) {
  InProgram([] {
    const int on = 1;
    UniqueFd first(::socket(AF_INET, SOCK_STREAM, 0));
    UniqueFd second(::socket(AF_INET, SOCK_STREAM, 0));
    SocketAddress address = SocketAddress::Parse("127.0.0.1:0").value();
    for (UniqueFd* fd : {&first, &second}) {
      ::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
      ASSERT_EQ(::bind(fd->get(), address.data(), address.size()), 0);
      ASSERT_EQ(::listen(fd->get(), 1), 0);
      address = *SocketAddress::Local(fd->get());
    }
    Pass(ListOf(std::move(first), std::move(second)));

    const auto a = BindSockets(address.port(), {.address = "127.0.0.1", .reuse_port = true});
    const auto b = BindSockets(address.port(), {.address = "127.0.0.1", .reuse_port = true});
    const auto c = BindSockets(address.port(), {.address = "127.0.0.1", .reuse_port = true});
    ASSERT_THAT(a, IsOk());
    ASSERT_THAT(b, IsOk());
    ASSERT_THAT(c, IsOk());
    EXPECT_EQ(a->front().fd(), kFirstFd);
    EXPECT_EQ(b->front().fd(), kFirstFd + 1);
    EXPECT_FALSE(c->front().inherited());
  });
}

TEST_F(InheritedSocketsTest, ThereIsNoneForEachWorker) {
  InProgram([] {
    UniqueFd fd = MakeSocket("127.0.0.1:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    EXPECT_THAT(
        ReusePortListeners::Bind(port, 2, {.address = "127.0.0.1"}),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 AllOf(HasSubstr(absl::StrCat("127.0.0.1:", port)), HasSubstr("inherited"))));
  });
}

TEST_F(InheritedSocketsTest, PortZeroTakesNone) {
  InProgram([] {
    UniqueFd fd = MakeSocket("127.0.0.1:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    const auto sockets = BindSockets(0, {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_FALSE(sockets->front().inherited());
    EXPECT_NE(sockets->front().port(), port);
  });
}

TEST_F(InheritedSocketsTest, UnusedOnesAreNamedAndClosed) {
  InProgram([] {
    UniqueFd tcp = MakeSocket("127.0.0.1:0"), udp = MakeSocket("127.0.0.1:0", SOCK_DGRAM);
    const uint16_t tcp_port = PortOf(tcp), udp_port = PortOf(udp);
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    UniqueFd pipe_end(pipe_ends[0]);
    Pass(ListOf(std::move(tcp), std::move(udp), std::move(pipe_end)), "web:log:fifo");
    LogCapture log;
    CloseUnusedInheritedSockets();
    EXPECT_THAT(
        log.messages(),
        ElementsAre(
            AllOf(StartsWith("W"), HasSubstr(absl::StrCat("descriptor 3 (\"web\"), a stream socket "
                                                          "on 127.0.0.1:",
                                                          tcp_port, ";"))),
            AllOf(StartsWith("W"),
                  HasSubstr(absl::StrCat("descriptor 4 (\"log\"), a datagram socket "
                                         "on 127.0.0.1:",
                                         udp_port, ";"))),
            AllOf(StartsWith("W"), HasSubstr("descriptor 5 (\"fifo\"), no socket; left open"))));
    EXPECT_LT(::fcntl(3, F_GETFD), 0);
    EXPECT_LT(::fcntl(4, F_GETFD), 0);
    EXPECT_EQ(::fcntl(5, F_GETFD), FD_CLOEXEC);
    CloseUnusedInheritedSockets();
    EXPECT_EQ(log.messages().size(), 3u);
  });
}

TEST_F(InheritedSocketsTest, OneForBothFamiliesStandsForBoth) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  InProgram([] {
    UniqueFd fd = MakeSocket("[::]:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    const auto sockets = BindSockets(port);
    ASSERT_THAT(sockets, IsOk());
    ASSERT_EQ(sockets->size(), 1u);
    EXPECT_TRUE(sockets->front().inherited());
    EXPECT_EQ(sockets->front().address().host(), "::");
  });
}

TEST_F(InheritedSocketsTest, OneForBothFamiliesStandsForIpv4Alone) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  InProgram([] {
    UniqueFd fd = MakeSocket("[::]:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    const auto sockets = BindSockets(port, {.address = "0.0.0.0"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_TRUE(sockets->front().inherited());
  });
}

TEST_F(InheritedSocketsTest, WhatIsNotInheritedIsBound) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  for (const bool inherit_v6 : {false, true}) {
    SCOPED_TRACE(inherit_v6);
    InProgram([&] {
      UniqueFd fd = MakeSocket(inherit_v6 ? "[::]:0" : "0.0.0.0:0", SOCK_STREAM, /*v6only=*/true);
      const uint16_t port = PortOf(fd);
      Pass(ListOf(std::move(fd)));
      const auto sockets = BindSockets(port);
      ASSERT_THAT(sockets, IsOk());
      ASSERT_EQ(sockets->size(), 2u);
      EXPECT_EQ((*sockets)[0].address().ToString(), absl::StrCat("0.0.0.0:", port));
      EXPECT_EQ((*sockets)[0].inherited(), !inherit_v6);
      EXPECT_EQ((*sockets)[1].address().ToString(), absl::StrCat("[::]:", port));
      EXPECT_EQ((*sockets)[1].inherited(), inherit_v6);
    });
  }
}

TEST_F(InheritedSocketsTest, AfterAFailureTheNextCallMayTakeIt) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  InProgram([] {
    UniqueFd fd = MakeSocket("0.0.0.0:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    const UniqueFd in_the_way =
        MakeSocket(absl::StrCat("[::]:", port), SOCK_STREAM, /*v6only=*/true);
    EXPECT_THAT(BindSockets(port), Not(IsOk()));
    const auto sockets = BindSockets(port, {.address = "0.0.0.0"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_EQ(sockets->front().fd(), kFirstFd);
  });
}

TEST_F(InheritedSocketsTest, AnotherAddressIsNotTakenButNamedAsTheCause) {
  InProgram([] {
    UniqueFd fd = MakeSocket("0.0.0.0:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)), "web");
    EXPECT_THAT(
        std::string(BindSockets(port, {.address = "127.0.0.1"}).status().message()),
        AllOf(StartsWith(absl::StrCat("cannot listen on 127.0.0.1:", port)),
              HasSubstr(absl::StrCat("inherited at another address: descriptor 3 (\"web\"), a "
                                     "stream socket on 0.0.0.0:",
                                     port))));
  });
}

TEST_F(InheritedSocketsTest, OthersPidIsIgnored) {
  for (const std::string& pid : {absl::StrCat(::getppid()), std::string("0"), std::string("me")}) {
    SCOPED_TRACE(pid);
    InProgram([&] {
      UniqueFd fd = MakeSocket("127.0.0.1:0");
      const uint16_t port = PortOf(fd);
      Pass(ListOf(std::move(fd)));
      ::setenv("LISTEN_PID", pid.c_str(), 1);
      EXPECT_THAT(BindSockets(port, {.address = "127.0.0.1"}), Not(IsOk()));
      EXPECT_EQ(::fcntl(kFirstFd, F_GETFD), 0) << "left as it was";
      ExpectNothingInEnvironment();
    });
  }
}

TEST_F(InheritedSocketsTest, GarbageIsNamedAndIgnored) {
  for (const char* count : {"x", "-1", "1x", "99999999999", "2147483647"}) {
    SCOPED_TRACE(count);
    InProgram([&] {
      Pass(ListOf(MakeSocket("127.0.0.1:0")));
      ::setenv("LISTEN_FDS", count, 1);
      LogCapture log;
      const auto sockets = BindSockets(0, {.address = "127.0.0.1"});
      ASSERT_THAT(sockets, IsOk());
      EXPECT_FALSE(sockets->front().inherited());
      EXPECT_THAT(log.messages(),
                  ElementsAre(AllOf(StartsWith("W"),
                                    HasSubstr(absl::StrCat("LISTEN_FDS=\"", count,
                                                           "\" is no number of descriptors")))));
      ExpectNothingInEnvironment();
    });
  }
}

TEST_F(InheritedSocketsTest, FewerThanSaidAreUsed) {
  InProgram([] {
    UniqueFd fd = MakeSocket("127.0.0.1:0");
    const uint16_t port = PortOf(fd);
    Pass(ListOf(std::move(fd)));
    ::setenv("LISTEN_FDS", "1000000", 1);
    LogCapture log;
    const auto sockets = BindSockets(port, {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_TRUE(sockets->front().inherited());
    EXPECT_THAT(log.messages(), Contains(HasSubstr("descriptor 4 is not open")));
  });
}

TEST_F(InheritedSocketsTest, OneThatDoesNotListenYetIsMadeTo) {
  InProgram([] {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
    const SocketAddress any = SocketAddress::Parse("127.0.0.1:0").value();
    ASSERT_EQ(::bind(fd.get(), any.data(), any.size()), 0);
    const SocketAddress address = *SocketAddress::Local(fd.get());
    Pass(ListOf(std::move(fd)));
    const auto sockets = BindSockets(address.port(), {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_TRUE(sockets->front().inherited());
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(client.get(), address.data(), address.size()), 0);
  });
}

// What a unit with Accept=yes passes.
TEST_F(InheritedSocketsTest, AConnectionIsRefused) {
  InProgram([] {
    UniqueFd listener = MakeSocket("127.0.0.1:0");
    const SocketAddress address = *SocketAddress::Local(listener.get());
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(::connect(client.get(), address.data(), address.size()), 0);
    UniqueFd connection(::accept(listener.get(), nullptr, nullptr));
    Pass(ListOf(std::move(connection)), "connection");
    const absl::Status status = BindSockets(address.port(), {.address = "127.0.0.1"}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("descriptor 3 (\"connection\")"), HasSubstr("a connected socket"),
                      HasSubstr("Accept=no")));
  });
}

TEST_F(InheritedSocketsTest, ADatagramSocketWithThePortIsPassedOver) {
  InProgram([] {
    UniqueFd tcp = MakeSocket("127.0.0.1:0");
    const uint16_t port = PortOf(tcp);
    UniqueFd udp = MakeSocket(absl::StrCat("127.0.0.1:", port), SOCK_DGRAM);
    Pass(ListOf(std::move(udp), std::move(tcp)));
    const auto sockets = BindSockets(port, {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_EQ(sockets->front().fd(), kFirstFd + 1);
  });
}

TEST_F(InheritedSocketsTest, UnixSocketIsTakenWithItsFileAsItIs) {
  InProgram([this] {
    const std::string path = UnixPath();
    UniqueFd fd = MakeSocket(SocketAddress::FromUnixPath(path).value());
    ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
    struct stat before = {}, after = {};
    ASSERT_EQ(::lstat(path.c_str(), &before), 0);
    Pass(ListOf(std::move(fd)));
    const auto socket = BindUnixSocket(path, {.mode = 0600});
    ASSERT_THAT(socket, IsOk());
    EXPECT_TRUE(socket->inherited());
    EXPECT_EQ(socket->address().unix_path(), path);
    ASSERT_EQ(::lstat(path.c_str(), &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  });
}

TEST_F(InheritedSocketsTest, UnixSocketIsTakenByAnotherPathOfItsFile) {
  InProgram([this] {
    UniqueFd fd = MakeSocket(SocketAddress::FromUnixPath(UnixPath()).value());
    Pass(ListOf(std::move(fd)));
    ASSERT_EQ(::chdir(directory_.c_str()), 0);
    ASSERT_EQ(::symlink(".", "link"), 0);
    const auto socket = BindUnixSocket("link/s");
    ASSERT_THAT(socket, IsOk());
    EXPECT_TRUE(socket->inherited());
    EXPECT_EQ(socket->address().unix_path(), UnixPath());
  });
}

TEST_F(InheritedSocketsTest, UnixSocketAtAnotherPathIsNotTaken) {
  InProgram([this] {
    Pass(ListOf(MakeSocket(SocketAddress::FromUnixPath(UnixPath()).value())));
    const auto socket = BindUnixSocket(directory_ + "/other");
    ASSERT_THAT(socket, IsOk());
    EXPECT_FALSE(socket->inherited());
  });
}

TEST_F(InheritedSocketsTest, AbstractSocketIsTaken) {
  InProgram([] {
    const std::string name = std::string(1, '\0') + RandomName();
    const SocketAddress address = SocketAddress::FromUnixPath(name).value();
    UniqueFd datagram = MakeSocket(address, SOCK_DGRAM), stream = MakeSocket(address);
    Pass(ListOf(std::move(datagram), std::move(stream)));
    const auto socket = BindUnixSocket(name);
    ASSERT_THAT(socket, IsOk());
    EXPECT_EQ(socket->fd(), kFirstFd + 1);
  });
}

TEST_F(InheritedSocketsTest, UnixSocketOfAnotherTypeIsRefusedAndItsFileStays) {
  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    SCOPED_TRACE(type);
    InProgram([&] {
      const std::string path = absl::StrCat(UnixPath(), type);
      Pass(ListOf(MakeSocket(SocketAddress::FromUnixPath(path).value(), type)));
      const absl::Status status = BindUnixSocket(path).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(status.message()),
                  AllOf(HasSubstr(type == SOCK_DGRAM ? "a datagram socket" : "a seqpacket socket"),
                        HasSubstr("ListenStream=")));
      EXPECT_EQ(::access(path.c_str(), F_OK), 0);
    });
  }
}

TEST_F(InheritedSocketsTest, NothingIsSaidWithoutAManager) {
  InProgram([] {
    LogCapture log;
    EXPECT_THAT(BindSockets(0, {.address = "127.0.0.1"}), IsOk());
    CloseUnusedInheritedSockets();
    EXPECT_THAT(log.messages(), IsEmpty());
  });
}

}  // namespace
}  // namespace squall
