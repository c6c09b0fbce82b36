#include "squall/netutil/accept.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept_standing.h"
#include "squall/netutil/address.h"
#include "squall/netutil/run_until.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using internal::RunUntil;
using testing::ElementsAre;

class AcceptTest : public testing::Test {
 protected:
  void SetUp() override { Listen(); }

  void Listen() {
    auto sockets = BindSockets(0, {.address = "127.0.0.1"});
    ASSERT_THAT(sockets, IsOk());
    socket_ = std::move(sockets->front());
  }

  // Connects; the connection waits in the backlog until it is accepted.
  UniqueFd Connect() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress& address = socket_.address();
    EXPECT_EQ(::connect(fd.get(), address.data(), address.size()), 0);
    return fd;
  }

  std::vector<UniqueFd> Connect(int count) {
    std::vector<UniqueFd> clients;
    for (int i = 0; i < count; ++i) clients.push_back(Connect());
    return clients;
  }

  void RunFor(absl::Duration duration) {
    const Timeout end = loop_.CallLater(duration, [this] { loop_.Stop(); });
    loop_.Start();
  }

  AcceptCallback Keep() {
    return [this](UniqueFd connection, SocketAddress) {
      accepted_.push_back(std::move(connection));
      wakeup_of_accepted_.push_back(stats_.wakeups);
    };
  }

  IOLoop& loop_ = IOLoop::Current();
  ListenSocket socket_;
  AcceptStats stats_;
  std::vector<UniqueFd> accepted_;
  std::vector<uint64_t> wakeup_of_accepted_;
};

class AcceptPolicyTest : public AcceptTest, public testing::WithParamInterface<AcceptPolicy> {};

INSTANTIATE_TEST_SUITE_P(Policies, AcceptPolicyTest,
                         testing::Values(AcceptPolicy::kShared, AcceptPolicy::kExclusive,
                                         AcceptPolicy::kBalanced));

TEST_P(AcceptPolicyTest, HandsConnectionsToTheCallback) {
  std::vector<SocketAddress> peers;
  const AcceptHandle handle =
      AddAcceptHandler(loop_, socket_,
                       [&](UniqueFd connection, SocketAddress peer) {
                         EXPECT_NE(::fcntl(connection.get(), F_GETFL) & O_NONBLOCK, 0);
                         EXPECT_NE(::fcntl(connection.get(), F_GETFD) & FD_CLOEXEC, 0);
                         peers.push_back(peer);
                       },
                       {.policy = GetParam(), .stats = &stats_});
  EXPECT_TRUE(handle.active());
  const std::vector<UniqueFd> clients = Connect(3);
  RunUntil([&] { return peers.size() == 3; });
  EXPECT_THAT(peers, ElementsAre(*SocketAddress::Local(clients[0].get()),
                                 *SocketAddress::Local(clients[1].get()),
                                 *SocketAddress::Local(clients[2].get())));
  EXPECT_EQ(stats_.accepted, 3u);
  EXPECT_EQ(stats_.paused, 0u);
}

TEST_P(AcceptPolicyTest, AHandleMayOutliveItsLoop) {
  AcceptHandle handle = AddAcceptHandler(loop_, socket_, Keep(), {.policy = GetParam()});
  const UniqueFd client = Connect();
  RunUntil([&] { return accepted_.size() == 1; });
  IOLoop::ClearCurrent();
  EXPECT_TRUE(handle.active());
  handle.AcceptWaiting();
  handle.Stop();
  EXPECT_FALSE(handle.active());
}

TEST_P(AcceptPolicyTest, AcceptsOneConnectionPerWakeup) {
  const AcceptHandle handle =
      AddAcceptHandler(loop_, socket_, Keep(), {.policy = GetParam(), .stats = &stats_});
  const std::vector<UniqueFd> clients = Connect(4);
  RunUntil([&] { return accepted_.size() == 4; });
  EXPECT_THAT(wakeup_of_accepted_, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(stats_.would_block, 0u);
}

TEST_P(AcceptPolicyTest, AcceptsAsManyPerWakeupAsTheBudgetSays) {
  const AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), {.policy = GetParam(), .budget = 2, .stats = &stats_});
  const std::vector<UniqueFd> clients = Connect(5);
  RunUntil([&] { return accepted_.size() == 5; });
  EXPECT_THAT(wakeup_of_accepted_, ElementsAre(1, 1, 2, 2, 3));
  EXPECT_EQ(stats_.would_block, 1u);
}

// Tornado: TCPServerTest.test_stop_in_callback (issue 2069), also with the socket closed.
TEST_P(AcceptPolicyTest, StopInsideTheCallbackIsFinal) {
  AcceptHandle handle = AddAcceptHandler(loop_, socket_,
                                         [&](UniqueFd connection, SocketAddress) {
                                           accepted_.push_back(std::move(connection));
                                           handle.Stop();
                                           socket_.Release().reset();
                                         },
                                         {.policy = GetParam(), .budget = 128, .stats = &stats_});
  const std::vector<UniqueFd> clients = Connect(40);
  RunUntil([&] { return !accepted_.empty(); });
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(stats_.paused, 0u);
  EXPECT_FALSE(handle.active());
}

TEST_P(AcceptPolicyTest, AStoppedHandlerLeavesTheRestInTheBacklog) {
  AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), {.policy = GetParam(), .idle_retry = absl::Milliseconds(1)});
  const std::vector<UniqueFd> clients = Connect(2);
  handle.Stop();
  handle.Stop();
  RunFor(absl::Milliseconds(20));
  EXPECT_TRUE(accepted_.empty());
  handle = AddAcceptHandler(loop_, socket_, Keep(), {.policy = GetParam()});
  RunUntil([&] { return accepted_.size() == 2; });
}

TEST_P(AcceptPolicyTest, AMovedHandleGoesOn) {
  AcceptHandle first = AddAcceptHandler(loop_, socket_, Keep(), {.policy = GetParam()});
  AcceptHandle second = std::move(first);
  EXPECT_FALSE(first.active());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(second.active());
  const UniqueFd client = Connect();
  RunUntil([&] { return accepted_.size() == 1; });
  second = AcceptHandle();
  EXPECT_FALSE(second.active());
}

TEST_P(AcceptPolicyTest, AnExceptionInTheCallbackDoesNotEndAccepting) {
  const AcceptHandle handle =
      AddAcceptHandler(loop_, socket_,
                       [&](UniqueFd connection, SocketAddress) {
                         accepted_.push_back(std::move(connection));
                         if (accepted_.size() == 1)
                           throw std::runtime_error("in the accept callback");
                       },
                       {.policy = GetParam()});
  const std::vector<UniqueFd> clients = Connect(2);
  RunUntil([&] { return accepted_.size() == 2; });
}

TEST_P(AcceptPolicyTest, AcceptsOnUnixSockets) {
  // Tests in sandboxes share the abstract names, but not their pids.
  const uint64_t unique = absl::Uniform<uint64_t>(absl::BitGen());
  const std::string name = std::string(1, '\0') + "squall-accept-" + std::to_string(unique);
  auto unix_socket = BindUnixSocket(name);
  ASSERT_THAT(unix_socket, IsOk());
  socket_ = *std::move(unix_socket);
  SocketAddress seen;
  const AcceptHandle handle = AddAcceptHandler(loop_, socket_,
                                               [&](UniqueFd connection, SocketAddress peer) {
                                                 accepted_.push_back(std::move(connection));
                                                 seen = peer;
                                               },
                                               {.policy = GetParam()});
  UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), socket_.address().data(), socket_.address().size()), 0);
  RunUntil([&] { return accepted_.size() == 1; });
  EXPECT_EQ(seen.ToString(), "unix:");
}

TEST_F(AcceptTest, AnIdleExclusiveHandlerLooksNowAndThen) {
  const AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), {.idle_retry = absl::Milliseconds(2), .stats = &stats_});
  RunUntil([&] { return stats_.idle_tries >= 3; });
  EXPECT_EQ(stats_.wakeups, 0u);
  EXPECT_EQ(stats_.would_block, 0u);
  EXPECT_EQ(stats_.rescued, 0u);
}

TEST_F(AcceptTest, OnlyAnIdleExclusiveHandlerHasATimer) {
  AcceptStats off;
  const ListenSocket exclusive_socket = std::move(socket_);
  const AcceptHandle without = AddAcceptHandler(
      loop_, exclusive_socket, Keep(), {.idle_retry = absl::InfiniteDuration(), .stats = &off});
  Listen();
  const AcceptHandle shared = AddAcceptHandler(
      loop_, socket_, Keep(),
      {.policy = AcceptPolicy::kShared, .idle_retry = absl::Milliseconds(1), .stats = &stats_});
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(off.idle_tries, 0u);
  EXPECT_EQ(stats_.idle_tries, 0u);
}

using AcceptDeathTest = AcceptTest;

TEST_F(AcceptDeathTest, ASocketThatDoesNotListenIsAMistake) {
  const ListenSocket mistake(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {});
  EXPECT_DEATH((void)AddAcceptHandler(loop_, mistake, Keep()), "is not a listening socket");
  EXPECT_DEATH((void)AddAcceptHandler(loop_, socket_, Keep(), {.budget = 0}),
               "AcceptOptions::budget");
}

// Two handlers of one loop stand for two processes: the kernel keeps a queue of epoll registrations.
class BalancedAcceptTest : public AcceptTest {
 protected:
  // As another process would have it.
  ListenSocket SameSocket() const {
    return ListenSocket(UniqueFd(::fcntl(socket_.fd(), F_DUPFD_CLOEXEC, 0)), socket_.address());
  }

  static AcceptOptions Balanced(absl::AnyInvocable<AcceptStanding()> standing,
                                AcceptStats* stats = nullptr) {
    return {.policy = AcceptPolicy::kBalanced,
            .idle_retry = absl::InfiniteDuration(),
            .standing = std::move(standing),
            .stats = stats};
  }
  static absl::AnyInvocable<AcceptStanding()> Always(AcceptStanding standing) {
    return [standing] { return standing; };
  }
};

TEST_F(BalancedAcceptTest, TheNextConnectionIsTheSiblings) {
  const ListenSocket same = SameSocket();
  std::string order;
  const AcceptHandle first = AddAcceptHandler(
      loop_, socket_, [&](UniqueFd, SocketAddress) { order += 'a'; },
      Balanced(Always({.held = 1, .contenders = 1, .lead = 0}), &stats_));
  const AcceptHandle second = AddAcceptHandler(
      loop_, same, [&](UniqueFd, SocketAddress) { order += 'b'; },
      Balanced(Always({.held = 1, .contenders = 1, .lead = 0})));
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < 6; ++i) {
    clients.push_back(Connect());
    RunUntil([&] { return order.size() > i; });
  }
  EXPECT_EQ(order, "ababab");
  EXPECT_EQ(stats_.epoll_ctls, 7u);
  EXPECT_EQ(stats_.yielded, 0u);
}

TEST_F(BalancedAcceptTest, WhoHoldsFewerThanAllSiblingsIsTheNext) {
  const ListenSocket same = SameSocket();
  std::string order;
  const AcceptHandle first = AddAcceptHandler(
      loop_, socket_, [&](UniqueFd, SocketAddress) { order += 'a'; },
      Balanced(Always({.held = 1, .contenders = 0, .lead = 0}), &stats_));
  const AcceptHandle second = AddAcceptHandler(
      loop_, same, [&](UniqueFd, SocketAddress) { order += 'b'; },
      Balanced(Always({.held = 9, .contenders = 1, .lead = 8})));
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < 3; ++i) {
    clients.push_back(Connect());
    RunUntil([&] { return order.size() > i; });
  }
  EXPECT_EQ(order, "aaa");
  EXPECT_EQ(stats_.epoll_ctls, 1u);
}

TEST_F(BalancedAcceptTest, WhatWaitsIsLeftToTheSiblingsThatWereWokenForIt) {
  AcceptOptions options = Balanced(Always({.held = 1, .contenders = 2, .lead = 1}), &stats_);
  options.yield = absl::Hours(1);
  const AcceptHandle handle = AddAcceptHandler(loop_, socket_, Keep(), std::move(options));
  const std::vector<UniqueFd> clients = Connect(3);
  RunUntil([&] { return stats_.yielded == 1; });
  EXPECT_EQ(accepted_.size(), 1u);

  const ListenSocket same = SameSocket();
  int by_sibling = 0;
  const AcceptHandle sibling = AddAcceptHandler(
      loop_, same, [&](UniqueFd, SocketAddress) { ++by_sibling; }, Balanced(Always({.held = 1})));
  RunUntil([&] { return by_sibling == 2; });
  EXPECT_EQ(accepted_.size(), 1u);
}

// One that is behind the others in the kernel's queue, not out of it.
TEST_F(BalancedAcceptTest, WhoLeavesWhatWaitsIsThereForTheNextConnection) {
  AcceptOptions options = Balanced(Always({.held = 1, .contenders = 1, .lead = 1}), &stats_);
  options.yield = absl::Hours(1);
  const AcceptHandle handle = AddAcceptHandler(loop_, socket_, Keep(), std::move(options));
  std::vector<UniqueFd> clients = Connect(2);
  RunUntil([&] { return stats_.yielded == 1; });
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(stats_.wakeups, 1u);
  clients.push_back(Connect());
  RunUntil([&] { return accepted_.size() == 2; });
}

TEST_F(BalancedAcceptTest, WhoIsFarAheadIsNotThereForTheNextConnection) {
  AcceptOptions options = Balanced(Always({.held = 2, .contenders = 1, .lead = 2}), &stats_);
  options.yield = absl::Hours(1);
  const AcceptHandle handle = AddAcceptHandler(loop_, socket_, Keep(), std::move(options));
  std::vector<UniqueFd> clients = Connect(2);
  RunUntil([&] { return stats_.yielded == 1; });
  clients.push_back(Connect());
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(BalancedAcceptTest, WhereThereIsEnoughForAllNobodyWaits) {
  const AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), Balanced(Always({.held = 1, .contenders = 2, .lead = 1}), &stats_));
  const std::vector<UniqueFd> clients = Connect(10);
  RunUntil([&] { return accepted_.size() == 10; });
  // Only the last two are the siblings'.
  EXPECT_EQ(stats_.yielded, 2u);
}

// A sixteenth of what the least loaded sibling holds is not far.
TEST_F(BalancedAcceptTest, WhoIsFarAheadStandsBackInABurst) {
  AcceptHandle handle =
      AddAcceptHandler(loop_, socket_, Keep(), Balanced(Always({.held = 34, .lead = 2}), &stats_));
  std::vector<UniqueFd> clients = Connect(5);
  RunUntil([&] { return accepted_.size() == 5; });
  EXPECT_EQ(stats_.yielded, 0u);
  handle.Stop();
  handle =
      AddAcceptHandler(loop_, socket_, Keep(), Balanced(Always({.held = 33, .lead = 2}), &stats_));
  clients = Connect(5);
  RunUntil([&] { return accepted_.size() == 10; });
  EXPECT_EQ(stats_.yielded, 4u);
}

TEST_F(BalancedAcceptTest, TakesTheConnectionThatNobodyElseTakes) {
  const AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), Balanced(Always({.held = 2, .contenders = 30, .lead = 2}), &stats_));
  const std::vector<UniqueFd> clients = Connect(5);
  RunUntil([&] { return accepted_.size() == 5; });
  // Behind the last one nothing waits.
  EXPECT_EQ(stats_.yielded, 4u);
}

TEST_F(BalancedAcceptTest, StandsBackLongerWhileItIsAhead) {
  int asked = 0;
  const AcceptHandle handle =
      AddAcceptHandler(loop_, socket_, Keep(),
                       Balanced(
                           [&] {
                             ++asked;
                             return AcceptStanding{.held = 1, .contenders = 1, .lead = asked <= 3};
                           },
                           &stats_));
  const std::vector<UniqueFd> clients = Connect(2);
  RunUntil([&] { return accepted_.size() == 2; });
  // After the first accept, twice while it stood back, when the tie ended that, and after the
  // second accept.
  EXPECT_EQ(asked, 5);
  EXPECT_EQ(stats_.yielded, 1u);
}

TEST_F(BalancedAcceptTest, StopWhileStandingBack) {
  AcceptHandle handle = AddAcceptHandler(
      loop_, socket_, Keep(), Balanced(Always({.held = 1, .contenders = 1, .lead = 1}), &stats_));
  const std::vector<UniqueFd> clients = Connect(2);
  RunUntil([&] { return stats_.yielded == 1; });
  handle.Stop();
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(accepted_.size(), 1u);
}

}  // namespace
}  // namespace squall
