#include "squall/netutil/reuse_port_listeners.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"
#include "squall/netutil/run_until.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using internal::RunUntil;
using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;
using testing::SizeIs;

UniqueFd ConnectTo(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), address.data(), address.size()), 0);
  return fd;
}

std::vector<UniqueFd> ConnectTo(const SocketAddress& address, int count) {
  std::vector<UniqueFd> clients;
  for (int i = 0; i < count; ++i) clients.push_back(ConnectTo(address));
  return clients;
}

// Takes what waits on the listening socket `fd`.
int Accept(int fd) {
  int accepted = 0;
  while (UniqueFd(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)).valid()) ++accepted;
  return accepted;
}

class ReusePortListenersTest : public testing::Test {
 protected:
  static constexpr int kSlots = 4;

  void SetUp() override {
    auto listeners = ReusePortListeners::Bind(0, kSlots, {.address = "127.0.0.1"});
    ASSERT_THAT(listeners, IsOk());
    listeners_.push_back(*std::move(listeners));
  }

  ReusePortListeners& listeners() { return listeners_.front(); }
  SocketAddress address() { return listeners().addresses().front(); }

  // By slot.
  std::vector<int> AcceptAll() {
    std::vector<int> accepted;
    for (const int fd : listeners().fds()) accepted.push_back(Accept(fd));
    return accepted;
  }

 private:
  std::vector<ReusePortListeners> listeners_;  // one
};

TEST_F(ReusePortListenersTest, HasOneSocketPerSlotAtTheSameAddress) {
  EXPECT_EQ(listeners().slots(), kSlots);
  ASSERT_THAT(listeners().fds(), SizeIs(kSlots));
  for (const int fd : listeners().fds()) EXPECT_EQ(*SocketAddress::Local(fd), address());
}

TEST_F(ReusePortListenersTest, AtFirstSlotZeroServes) {
  const std::vector<UniqueFd> clients = ConnectTo(address(), 20);
  EXPECT_THAT(AcceptAll(), ElementsAre(20, 0, 0, 0));
}

// The kernel's numbers of the sockets are those of the slots.
TEST_F(ReusePortListenersTest, ConnectionsGoToTheSlotThatServes) {
  for (int slot = 0; slot < kSlots; ++slot) {
    ASSERT_THAT(listeners().SetServing({slot}), IsOk());
    const std::vector<UniqueFd> clients = ConnectTo(address(), 20);
    std::vector<int> expected(kSlots, 0);
    expected[static_cast<size_t>(slot)] = 20;
    EXPECT_EQ(AcceptAll(), expected);
  }
}

TEST_F(ReusePortListenersTest, ConnectionsAreSpreadOverTheSlotsThatServe) {
  ASSERT_THAT(listeners().SetServing({1, 3}), IsOk());
  const std::vector<UniqueFd> some = ConnectTo(address(), 100);
  std::vector<int> accepted = AcceptAll();
  EXPECT_EQ(accepted[0], 0);
  EXPECT_EQ(accepted[2], 0);
  // Further off than this is one of a million spreads.
  EXPECT_GE(accepted[1], 25);
  EXPECT_GE(accepted[3], 25);
  ASSERT_THAT(listeners().SetServing({0, 1, 2, 3}), IsOk());
  const std::vector<UniqueFd> more = ConnectTo(address(), 400);
  EXPECT_THAT(AcceptAll(), Each(Gt(50)));
}

TEST_F(ReusePortListenersTest, WithNobodyServingConnectionsStillComeIn) {
  ASSERT_THAT(listeners().SetServing({2}), IsOk());
  ASSERT_THAT(listeners().SetServing({}), IsOk());
  const std::vector<UniqueFd> clients = ConnectTo(address(), 3);
  EXPECT_THAT(AcceptAll(), ElementsAre(0, 0, 3, 0));
}

TEST_F(ReusePortListenersTest, ASlotThatThereIsNotIsRefusedAndNothingChanges) {
  ASSERT_THAT(listeners().SetServing({1}), IsOk());
  EXPECT_THAT(listeners().SetServing({2, kSlots}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "slot 4 has no listening socket: there are slots 0 to 3"));
  EXPECT_THAT(listeners().SetServing({-1}), StatusIs(absl::StatusCode::kInvalidArgument));
  const std::vector<UniqueFd> clients = ConnectTo(address(), 3);
  EXPECT_THAT(AcceptAll(), ElementsAre(0, 3, 0, 0));
}

// Not even to another pool of the same user, which SO_REUSEPORT alone would let in.
TEST_F(ReusePortListenersTest, NobodyElseGetsThePort) {
  const BindOptions options{.address = "127.0.0.1"};
  EXPECT_THAT(ReusePortListeners::Bind(address().port(), 2, options),
              StatusIs(testing::_, HasSubstr("Address already in use")));
  EXPECT_THAT(BindSockets(address().port(), options),
              StatusIs(testing::_, HasSubstr("Address already in use")));
}

TEST_F(ReusePortListenersTest, AllSlotsServeOnEveryAddress) {
  auto both = ReusePortListeners::Bind(0, 2, {.address = "localhost"});
  ASSERT_THAT(both, IsOk());
  ASSERT_THAT(both->SetServing({1}), IsOk());
  const std::vector<SocketAddress> addresses = both->addresses();
  ASSERT_THAT(both->fds(), SizeIs(2 * addresses.size()));
  std::vector<ListenSocket> taken = std::move(*both).TakeSlot(1);
  ASSERT_THAT(taken, SizeIs(addresses.size()));
  for (size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(taken[i].address(), addresses[i]);
    EXPECT_EQ(taken[i].port(), addresses[0].port());
    const UniqueFd client = ConnectTo(taken[i].address());
    EXPECT_EQ(Accept(taken[i].fd()), 1);
  }
}

TEST_F(ReusePortListenersTest, AsManySlotsAsTheScoreboardMayHave) {
  auto many = ReusePortListeners::Bind(0, 300, {.address = "127.0.0.1"});
  ASSERT_THAT(many, IsOk());
  std::vector<int> serving;
  for (int slot = 1; slot < 300; slot += 2) serving.push_back(slot);
  ASSERT_THAT(many->SetServing(serving), IsOk());
  const std::vector<UniqueFd> clients = ConnectTo(many->addresses().front(), 300);
  std::vector<int> accepted;
  for (const int fd : many->fds()) accepted.push_back(Accept(fd));
  for (int slot = 0; slot < 300; slot += 2) EXPECT_EQ(accepted[static_cast<size_t>(slot)], 0);
}

TEST(ReusePortListenersBindTest, OptionsThatMakeNoSense) {
  EXPECT_THAT(ReusePortListeners::Bind(0, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "there cannot be 0 listening sockets for each address: 1 to 1024 slots are "
                       "possible"));
  EXPECT_THAT(ReusePortListeners::Bind(0, 2, {.backlog = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("BindOptions::backlog")));
}

TEST_F(ReusePortListenersTest, AWorkerTakesWhatIsStrandedOnTheOthersSockets) {
  ASSERT_THAT(listeners().SetServing({1, 3}), IsOk());
  const std::vector<UniqueFd> clients = ConnectTo(address(), 40);
  const std::vector<ListenSocket> taken = std::move(listeners()).TakeSlot(0);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_THAT(taken[0].siblings(), SizeIs(kSlots - 1));
  AcceptStats stats;
  int accepted = 0;
  const AcceptHandle handle =
      AddAcceptHandler(IOLoop::Current(), taken[0], [&](UniqueFd, SocketAddress) { ++accepted; },
                       {.idle_retry = absl::Milliseconds(2), .stats = &stats});
  RunUntil([&] { return accepted == 40; });
  EXPECT_EQ(stats.rescued, 40u);
  EXPECT_EQ(stats.would_block, 0u);
}

TEST_F(ReusePortListenersTest, ABusyWorkerLooksAfterTheOthersToo) {
  ASSERT_THAT(listeners().SetServing({0, 1}), IsOk());
  const std::vector<ListenSocket> taken = std::move(listeners()).TakeSlot(0);
  const SocketAddress address = taken[0].address();
  AcceptStats stats;
  std::vector<UniqueFd> clients = ConnectTo(address, 100);
  // Each connection brings the next one, so that there is never a pause.
  const AcceptHandle handle =
      AddAcceptHandler(IOLoop::Current(), taken[0],
                       [&](UniqueFd, SocketAddress) {
                         if (stats.rescued < 20) clients.push_back(ConnectTo(address));
                       },
                       {.idle_retry = absl::Milliseconds(2), .stats = &stats});
  RunUntil([&] { return stats.rescued >= 20; });
}

TEST_F(ReusePortListenersTest, TheLastWorkerTakesWhatWaitsAnywhereAndThenAllIsRefused) {
  ASSERT_THAT(listeners().SetServing({0}), IsOk());
  const std::vector<UniqueFd> own = ConnectTo(address(), 3);
  ASSERT_THAT(listeners().SetServing({2}), IsOk());
  const std::vector<UniqueFd> of_sibling = ConnectTo(address(), 4);
  const std::vector<ListenSocket> taken = std::move(listeners()).TakeSlot(0);
  int accepted = 0;
  AcceptHandle handle =
      AddAcceptHandler(IOLoop::Current(), taken[0], [&](UniqueFd, SocketAddress) { ++accepted; });
  handle.AcceptWaiting();
  EXPECT_EQ(accepted, 3);
  handle.AcceptLast();
  EXPECT_EQ(accepted, 7);
  const UniqueFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress& address = taken[0].address();
  EXPECT_EQ(::connect(late.get(), address.data(), address.size()), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

// As the last server of a pool does with all of them, before the others have looked.
TEST_F(ReusePortListenersTest, ASiblingsSocketThatWasShutDownIsLeftAlone) {
  const std::vector<ListenSocket> taken = std::move(listeners()).TakeSlot(0);
  ::shutdown(taken[0].siblings()[0].get(), SHUT_RD);
  AcceptStats stats;
  int accepted = 0;
  const AcceptHandle handle =
      AddAcceptHandler(IOLoop::Current(), taken[0], [&](UniqueFd, SocketAddress) { ++accepted; },
                       {.idle_retry = absl::Milliseconds(2), .stats = &stats});
  RunUntil([&] { return stats.idle_tries >= 3; });
  const UniqueFd client = ConnectTo(taken[0].address());
  RunUntil([&] { return accepted == 1; });
  EXPECT_EQ(stats.paused, 0u);
}

using ReusePortListenersDeathTest = ReusePortListenersTest;

TEST_F(ReusePortListenersDeathTest, AWorkerWithoutASlotIsAMistake) {
  EXPECT_DEATH((void)std::move(listeners()).TakeSlot(kSlots), "slot 4 has no listening socket");
}

}  // namespace
}  // namespace squall
