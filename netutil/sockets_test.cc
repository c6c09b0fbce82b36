#include "squall/netutil/sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/isolated_process.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

#define SKIP_UNLESS_PERMITTED(result) \
  if (result == Isolated::kNotPermitted) GTEST_SKIP() << "no own network namespace here"

int IntOption(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return std::distance(begin, std::filesystem::directory_iterator());
}

std::vector<std::string> Hosts(const std::vector<ListenSocket>& sockets) {
  std::vector<std::string> hosts;
  for (const ListenSocket& socket : sockets) hosts.push_back(socket.address().host());
  return hosts;
}

bool HasIpv6() { return BindSockets(0, {.address = "::1", .family = AF_INET6}).ok(); }

// Tornado: TestPortAllocation.test_same_port_allocation.
TEST(BindSocketsTest, SamePortAllocation) {
  const auto sockets = BindSockets(0, {.address = "localhost"});
  ASSERT_THAT(sockets, IsOk());
  const uint16_t port = sockets->front().port();
  EXPECT_NE(port, 0);
  for (const ListenSocket& socket : *sockets) {
    EXPECT_EQ(socket.port(), port);
    EXPECT_EQ(*SocketAddress::Local(socket.fd()), socket.address());
  }
}

// Tornado: TestPortAllocation.test_reuse_port.
TEST(BindSocketsTest, ReusePort) {
  const auto first = BindSockets(0, {.address = "127.0.0.1", .reuse_port = true});
  ASSERT_THAT(first, IsOk());
  const uint16_t port = first->front().port();
  EXPECT_THAT(BindSockets(port, {.address = "127.0.0.1", .reuse_port = true}), IsOk());
  EXPECT_THAT(BindSockets(port, {.address = "127.0.0.1"}),
              StatusIs(testing::_, HasSubstr("Address already in use")));
}

TEST(BindSocketsTest, BindsAllInterfacesOfBothFamiliesByDefault) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  const auto sockets = BindSockets(0);
  ASSERT_THAT(sockets, IsOk());
  EXPECT_THAT(Hosts(*sockets), ElementsAre("0.0.0.0", "::"));
  EXPECT_EQ((*sockets)[0].port(), (*sockets)[1].port());
  EXPECT_EQ(IntOption((*sockets)[1].fd(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST(BindSocketsTest, SocketsListenWithoutBlockingAndCloseOnExec) {
  const auto sockets = BindSockets(0, {.address = "127.0.0.1"});
  ASSERT_THAT(sockets, IsOk());
  const int fd = sockets->front().fd();
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_REUSEPORT), 0);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TEST(BindSocketsTest, BindsOneFamilyWhenAsked) {
  const auto v4 = BindSockets(0, {.family = AF_INET});
  ASSERT_THAT(v4, IsOk());
  EXPECT_THAT(Hosts(*v4), ElementsAre("0.0.0.0"));
  if (!HasIpv6()) return;
  const auto v6 = BindSockets(0, {.family = AF_INET6});
  ASSERT_THAT(v6, IsOk());
  EXPECT_THAT(Hosts(*v6), ElementsAre("::"));
}

TEST(BindSocketsTest, BindsAllAddressesOfANameOnceWithIpv4First) {
  const Isolated result = RunIsolated([] {
    EnterOwnNetwork();
    ReplaceHosts("::1 many\n127.0.0.1 many\n127.0.0.2 many\n127.0.0.1 many\n");
    const auto sockets = BindSockets(0, {.address = "many"});
    ASSERT_THAT(sockets, IsOk());
    EXPECT_THAT(Hosts(*sockets), ElementsAre("127.0.0.1", "127.0.0.2", "::1"));
    EXPECT_EQ(sockets->back().port(), sockets->front().port());
  });
  SKIP_UNLESS_PERMITTED(result);
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(BindSocketsTest, TriesAnotherPortWhenIpv6HasTheFreeOneInUse) {
  const Isolated result = RunIsolated([] {
    EnterOwnNetwork();
    // Linux gives odd ports of this range to bind with port 0 first.
    SetNetworkSysctl("ipv4/ip_local_port_range", "40000 40007");
    for (const uint16_t taken : {40001, 40003, 40005}) {
      const auto ipv6 = BindSockets(taken, {.family = AF_INET6});
      ASSERT_THAT(ipv6, IsOk());
      const auto other = BindSockets(0);
      ASSERT_THAT(other, IsOk());
      ASSERT_EQ(other->size(), 2u);
      EXPECT_EQ((*other)[0].port(), (*other)[1].port());
      EXPECT_NE((*other)[0].port(), taken);
    }
    std::vector<std::vector<ListenSocket>> all;
    for (uint16_t taken = 40000; taken <= 40006; ++taken) {
      auto ipv6 = BindSockets(taken, {.family = AF_INET6});
      ASSERT_THAT(ipv6, IsOk());
      all.push_back(*std::move(ipv6));
    }
    // One of eight is left. It is found even if it comes last.
    const auto last = BindSockets(0);
    ASSERT_THAT(last, IsOk());
    EXPECT_EQ(last->front().port(), 40007);
    const size_t before = OpenDescriptors();
    EXPECT_THAT(BindSockets(0), StatusIs(testing::_, HasSubstr("Address already in use")));
    EXPECT_EQ(OpenDescriptors(), before);
  });
  SKIP_UNLESS_PERMITTED(result);
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(BindSocketsTest, HalfAnIpv6IsToleratedForLocalhostOnly) {
  const Isolated result = RunIsolated([] {
    EnterOwnNetwork();
    SetNetworkSysctl("ipv6/conf/lo/disable_ipv6", "1");
    ReplaceHosts("127.0.0.1 localhost other\n::1 localhost other sixonly\n");
    const auto localhost = BindSockets(0, {.address = "localhost"});
    ASSERT_THAT(localhost, IsOk());
    EXPECT_THAT(Hosts(*localhost), ElementsAre("127.0.0.1"));
    for (const char* const name : {"other", "::1"}) {
      EXPECT_THAT(BindSockets(0, {.address = name}), StatusIs(testing::_, HasSubstr("[::1]:")))
          << name;
    }
    EXPECT_THAT(BindSockets(0, {.address = "localhost", .family = AF_INET6}),
                StatusIs(testing::_, "cannot listen on [::1]:0: Cannot assign requested address"));
  });
  SKIP_UNLESS_PERMITTED(result);
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(BindSocketsTest, SkipsAFamilyThatTheKernelDoesNotHave) {
  const Isolated result = RunIsolated([] {
    FailSystemCall(SYS_socket, AF_INET6, EAFNOSUPPORT);
    const auto sockets = BindSockets(0);
    ASSERT_THAT(sockets, IsOk());
    EXPECT_THAT(Hosts(*sockets), ElementsAre("0.0.0.0"));
    EXPECT_THAT(BindSockets(0, {.address = "::1"}),
                StatusIs(testing::_, HasSubstr("Address family not supported")));
  });
  SKIP_UNLESS_PERMITTED(result);
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(BindSocketsTest, APortInUseIsNamed) {
  const auto first = BindSockets(0, {.address = "127.0.0.1"});
  ASSERT_THAT(first, IsOk());
  const auto second = BindSockets(first->front().port(), {.address = "127.0.0.1"});
  EXPECT_EQ(second.status().message(),
            absl::StrCat("cannot listen on 127.0.0.1:", first->front().port(),
                         ": Address already in use"));
}

TEST(BindSocketsTest, ClosesEverythingOnFailure) {
  if (!HasIpv6()) GTEST_SKIP() << "no IPv6 here";
  const auto ipv6 = BindSockets(0, {.family = AF_INET6});
  ASSERT_THAT(ipv6, IsOk());
  const uint16_t port = ipv6->front().port();
  const size_t before = OpenDescriptors();
  EXPECT_THAT(BindSockets(port), StatusIs(testing::_, HasSubstr(absl::StrCat("[::]:", port))));
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_THAT(BindSockets(port, {.family = AF_INET}), IsOk());
}

TEST(BindSocketsTest, AnAddressOfAnotherMachineIsAnError) {
  EXPECT_THAT(
      BindSockets(0, {.address = "203.0.113.1"}),
      StatusIs(testing::_, "cannot listen on 203.0.113.1:0: Cannot assign requested address"));
}

TEST(BindSocketsTest, APrivilegedPortIsAnErrorWithoutPrivileges) {
  const Isolated result = RunIsolated([] {
    EnterOwnNetwork();
    SetNetworkSysctl("ipv4/ip_unprivileged_port_start", "1024");
    // Rights over the network namespace belong to its user namespace; in another one there are
    // none.
    ASSERT_EQ(::unshare(CLONE_NEWUSER), 0);
    EXPECT_THAT(BindSockets(80, {.address = "127.0.0.1"}),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         "cannot listen on 127.0.0.1:80: Permission denied"));
  });
  SKIP_UNLESS_PERMITTED(result);
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(BindSocketsTest, ABadHostNameIsNamed) {
  // No name server is asked for a name with a space.
  EXPECT_THAT(BindSockets(0, {.address = "no such\nhost"}),
              StatusIs(absl::StatusCode::kNotFound,
                       "cannot resolve host name \"no such\\nhost\": Name or service not known"));
  EXPECT_THAT(BindSockets(0, {.address = std::string("127.0.0.1\0x", 11)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
  EXPECT_THAT(BindSockets(0, {.address = "127.0.0.1", .family = AF_INET6}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("127.0.0.1")));
}

TEST(BindSocketsTest, OptionsThatMakeNoSenseAreNamed) {
  EXPECT_THAT(BindSockets(0, {.family = AF_UNIX}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("BindOptions::family is 1")));
  EXPECT_THAT(BindSockets(0, {.backlog = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("BindOptions::backlog is 0")));
}

TEST(ListenSocketTest, ReleaseGivesTheDescriptorUp) {
  auto sockets = BindSockets(0, {.address = "127.0.0.1"});
  ASSERT_THAT(sockets, IsOk());
  ListenSocket socket = std::move(sockets->front());
  const int fd = socket.fd();
  const uint16_t port = socket.port();
  const UniqueFd released = socket.Release();
  EXPECT_EQ(released.get(), fd);
  EXPECT_FALSE(socket.valid());
  EXPECT_EQ(socket.port(), port);
  EXPECT_EQ(IntOption(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

}  // namespace
}  // namespace squall
