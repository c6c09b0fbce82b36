// What accept(2) and other processes do to an accept handler. Each test runs in processes of its
// own, for none of them may have a loop before it forks.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/isolated_process.h"
#include "squall/netutil/run_until.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

using internal::RunUntil;
using testing::Contains;
using testing::HasSubstr;

constexpr absl::Duration kDeadline = absl::Seconds(30);

ListenSocket ListenOnLoopback() {
  return std::move(BindSockets(0, {.address = "127.0.0.1"}).value().front());
}

UniqueFd ConnectTo(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), address.data(), address.size()), 0);
  return fd;
}

void RunFor(absl::Duration duration) {
  IOLoop& loop = IOLoop::Current();
  const Timeout end = loop.CallLater(duration, [&] { loop.Stop(); });
  loop.Start();
}

// Takes every descriptor that this process may have.
std::vector<UniqueFd> TakeAllDescriptors() {
  rlimit limit = {};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 64;
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<UniqueFd> taken;
  for (;;) {
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return taken;
    taken.push_back(std::move(fd));
  }
}

size_t CountOf(const std::vector<std::string>& messages, const std::string& part) {
  size_t count = 0;
  for (const std::string& message : messages) count += message.find(part) != std::string::npos;
  return count;
}

TEST(AcceptFaultsTest, PausesWithoutDescriptorsAndRecovers) {
  const Isolated result = RunIsolated([] {
    LogCapture log;
    const ListenSocket socket = ListenOnLoopback();
    AcceptStats stats;
    std::vector<AcceptError> errors;
    std::vector<UniqueFd> accepted;
    const AcceptHandle handle = AddAcceptHandler(
        IOLoop::Current(), socket,
        [&](UniqueFd connection, SocketAddress) { accepted.push_back(std::move(connection)); },
        {.pause = absl::Milliseconds(2),
         .on_error = [&](const AcceptError& error) { errors.push_back(error); },
         .stats = &stats});
    RunFor(absl::Milliseconds(1));
    for (int episode = 1; episode <= 2; ++episode) {
      std::vector<UniqueFd> clients;
      for (int i = 0; i < 3; ++i) clients.push_back(ConnectTo(socket.address()));
      std::vector<UniqueFd> taken = TakeAllDescriptors();
      const AcceptStats before = stats;
      RunUntil([&] { return stats.paused >= before.paused + 8; });
      // It does not spin: each try, one per pause, is one wake-up.
      EXPECT_EQ(stats.wakeups - before.wakeups, stats.paused - before.paused);
      EXPECT_EQ(stats.accepted, before.accepted);
      ASSERT_EQ(errors.size(), size_t(episode));
      EXPECT_EQ(errors.back().error_number, EMFILE);
      EXPECT_EQ(errors.back().pause, absl::Milliseconds(2));
      EXPECT_EQ(errors.back().address, socket.address());
      EXPECT_EQ(CountOf(log.messages(), "Too many open files"), size_t(episode));
      taken.clear();
      accepted.clear();
      RunUntil([&] { return accepted.size() == 3; });
      accepted.clear();
      RunFor(absl::Milliseconds(30));  // The episode ends.
    }
    EXPECT_THAT(log.messages(), Contains(HasSubstr("trying again every 2ms")));
  });
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(AcceptFaultsTest, AHandleWithoutItsLoopAcceptsNothing) {
  const Isolated result = RunIsolated([] {
    const ListenSocket socket = ListenOnLoopback();
    AcceptHandle handle = AddAcceptHandler(IOLoop::Current(), socket, [](UniqueFd, SocketAddress) {
      ADD_FAILURE() << "nobody is to serve it";
    });
    const UniqueFd client = ConnectTo(socket.address());
    IOLoop::ClearCurrent();
    handle.AcceptWaiting();
    // Without descriptors it would pause, on the loop.
    const std::vector<UniqueFd> taken = TakeAllDescriptors();
    handle.AcceptWaiting();
    handle.AcceptLast();
  });
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(AcceptFaultsTest, StopInTheErrorCallbackIsFinal) {
  const Isolated result = RunIsolated([] {
    const ListenSocket socket = ListenOnLoopback();
    AcceptStats stats;
    AcceptHandle handle;
    int errors = 0;
    handle = AddAcceptHandler(IOLoop::Current(), socket,
                              [](UniqueFd, SocketAddress) { ADD_FAILURE() << "accepted"; },
                              {.pause = absl::Milliseconds(1),
                               .on_error =
                                   [&](const AcceptError&) {
                                     ++errors;
                                     handle = AcceptHandle();
                                   },
                               .stats = &stats});
    const UniqueFd client = ConnectTo(socket.address());
    std::vector<UniqueFd> taken = TakeAllDescriptors();
    RunUntil([&] { return errors == 1; });
    taken.clear();
    RunFor(absl::Milliseconds(20));
    EXPECT_EQ(stats.paused, 1u);
    EXPECT_EQ(errors, 1);
  });
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(AcceptFaultsTest, ASocketThatWasShutDownIsLeftAlone) {
  const Isolated result = RunIsolated([] {
    const ListenSocket socket = ListenOnLoopback();
    AcceptStats stats;
    int errors = 0;
    const AcceptHandle handle =
        AddAcceptHandler(IOLoop::Current(), socket, [](UniqueFd, SocketAddress) {},
                         {.on_error = [&](const AcceptError&) { ++errors; }, .stats = &stats});
    ASSERT_EQ(::shutdown(socket.fd(), SHUT_RDWR), 0);
    RunUntil([&] { return stats.wakeups == 1; });
    RunFor(absl::Milliseconds(20));
    EXPECT_EQ(stats.wakeups, 1u);
    EXPECT_EQ(stats.paused, 0u);
    EXPECT_EQ(errors, 0);
  });
  EXPECT_EQ(result, Isolated::kPassed);
}

TEST(AcceptFaultsTest, ExhaustionPauses) {
  for (const int error_number : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    const Isolated result = RunIsolated([&] {
      const ListenSocket socket = ListenOnLoopback();
      const UniqueFd client = ConnectTo(socket.address());
      AcceptStats stats;
      const AcceptHandle handle =
          AddAcceptHandler(IOLoop::Current(), socket, [](UniqueFd, SocketAddress) {},
                           {.pause = absl::Milliseconds(1), .stats = &stats});
      FailSystemCall(SYS_accept4, error_number);
      RunUntil([&] { return stats.paused >= 3; });
      EXPECT_EQ(stats.wakeups, stats.paused);
      EXPECT_EQ(stats.aborted, 0u);
    });
    EXPECT_EQ(result, Isolated::kPassed) << std::strerror(error_number);
  }
}

// A flood of them takes its turn with everything else on the loop: the timers of RunUntil still
// run.
TEST(AcceptFaultsTest, ConnectionsThatFailedAreSkipped) {
  for (const int error_number : {EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT,
                                 EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH}) {
    const Isolated result = RunIsolated([&] {
      const ListenSocket socket = ListenOnLoopback();
      const UniqueFd client = ConnectTo(socket.address());
      AcceptStats stats;
      const AcceptHandle handle = AddAcceptHandler(
          IOLoop::Current(), socket, [](UniqueFd, SocketAddress) {}, {.stats = &stats});
      FailSystemCall(SYS_accept4, error_number);
      RunUntil([&] { return stats.wakeups >= 3; });
      EXPECT_EQ(stats.paused, 0u);
      EXPECT_EQ(stats.aborted, error_number == EINTR ? 0u : 64 * stats.wakeups);
    });
    EXPECT_EQ(result, Isolated::kPassed) << std::strerror(error_number);
  }
}

TEST(AcceptFaultsTest, ARegistrationWithoutMemoryIsTriedAgain) {
  const Isolated result = RunIsolated([] {
    const ListenSocket socket = ListenOnLoopback();
    AcceptStats stats;
    IOLoop& loop = IOLoop::Current();
    RunFor(absl::Milliseconds(1));
    FailSystemCall(SYS_epoll_ctl, ENOSPC);
    const AcceptHandle handle = AddAcceptHandler(loop, socket, [](UniqueFd, SocketAddress) {},
                                                 {.pause = absl::Milliseconds(1), .stats = &stats});
    EXPECT_TRUE(handle.active());
    RunUntil([&] { return stats.paused >= 3; });
  });
  EXPECT_EQ(result, Isolated::kPassed);
}

// One process takes the wake-up for a connection and blocks before it accepts; the other is idle.
class SwallowedWakeupTest : public testing::Test {
 protected:
  // Forks a process that calls `body` and exits. It is killed at the end of the test.
  pid_t Fork(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      body();
      ::_exit(0);
    }
    EXPECT_GT(pid, 0);
    children_.push_back(pid);
    return pid;
  }

  void TearDown() override {
    for (const pid_t pid : children_) Kill(pid);
  }

  void Kill(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    std::erase(children_, pid);
  }

  // Waits until the process sleeps, which the ones below do in epoll_wait only.
  static void WaitUntilAsleep(pid_t pid) { WaitUntil(pid, "S"); }

  // Waits for a state as in proc(5).
  static void WaitUntil(pid_t pid, const std::string& wanted) {
    for (const absl::Time deadline = absl::Now() + kDeadline; absl::Now() < deadline;) {
      std::string ignored, state;
      std::ifstream("/proc/" + std::to_string(pid) + "/stat") >> ignored >> ignored >> state;
      if (state == wanted) return;
      ::usleep(1000);
    }
    ADD_FAILURE() << "process " << pid << " does not get into state " << wanted;
  }

  // Whether a byte comes from `fd` in time.
  static bool Says(int fd, absl::Duration timeout, char* said = nullptr) {
    pollfd poll_fd = {fd, POLLIN, 0};
    char ignored;
    return ::poll(&poll_fd, 1, int(absl::ToInt64Milliseconds(timeout))) == 1 &&
           ::read(fd, said != nullptr ? said : &ignored, 1) == 1;
  }

  static void Say(int fd) { EXPECT_EQ(::write(fd, "x", 1), 1); }

  // The first to register is the first to be woken. It says when it is, and accepts nothing.
  pid_t StartSwallower() {
    const pid_t pid = Fork([this] {
      IOLoop& loop = IOLoop::Current();
      const auto block = [this](uint32_t) {
        Say(swallowed_write_.get());
        ::pause();
      };
      EXPECT_THAT(loop.AddHandler(socket_.fd(), IOLoop::kRead | EPOLLEXCLUSIVE, block), IsOk());
      loop.AddCallback([this] { Say(ready_write_.get()); });
      loop.Start();
    });
    EXPECT_TRUE(Says(ready_read_.get(), kDeadline));
    WaitUntilAsleep(pid);
    return pid;
  }

  // Says hello to each connection that it accepts.
  void StartAcceptor(absl::Duration idle_retry) {
    const pid_t pid = Fork([&] {
      IOLoop& loop = IOLoop::Current();
      const AcceptHandle handle = AddAcceptHandler(
          loop, socket_, [](UniqueFd connection, SocketAddress) { Say(connection.get()); },
          {.idle_retry = idle_retry});
      loop.AddCallback([this] { Say(ready_write_.get()); });
      loop.Start();
    });
    EXPECT_TRUE(Says(ready_read_.get(), kDeadline));
    WaitUntilAsleep(pid);
  }

  void SetUp() override {
    socket_ = ListenOnLoopback();
    int ready[2], swallowed[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC) + ::pipe2(swallowed, O_CLOEXEC), 0);
    ready_read_.reset(ready[0]);
    ready_write_.reset(ready[1]);
    swallowed_read_.reset(swallowed[0]);
    swallowed_write_.reset(swallowed[1]);
  }

  ListenSocket socket_;
  UniqueFd ready_read_, ready_write_, swallowed_read_, swallowed_write_;
  std::vector<pid_t> children_;
};

// The control of the next test: the fault is real.
TEST_F(SwallowedWakeupTest, StrandsAConnectionWithoutTheIdleTimer) {
  const pid_t swallower = StartSwallower();
  StartAcceptor(absl::InfiniteDuration());
  const UniqueFd stranded = ConnectTo(socket_.address());
  ASSERT_TRUE(Says(swallowed_read_.get(), kDeadline));
  EXPECT_FALSE(Says(stranded.get(), absl::Milliseconds(300)));
  Kill(swallower);
  const UniqueFd next = ConnectTo(socket_.address());
  EXPECT_TRUE(Says(stranded.get(), kDeadline));
  EXPECT_TRUE(Says(next.get(), kDeadline));
}

TEST_F(SwallowedWakeupTest, StrandsNothingWithTheIdleTimer) {
  StartSwallower();
  StartAcceptor(absl::Milliseconds(20));
  const UniqueFd client = ConnectTo(socket_.address());
  ASSERT_TRUE(Says(swallowed_read_.get(), kDeadline));
  EXPECT_TRUE(Says(client.get(), kDeadline));
}

TEST_F(SwallowedWakeupTest, TheIdleTimerTakesAllThatIsStranded) {
  constexpr int kStranded = 6;
  for (int i = 0; i < kStranded; ++i) StartSwallower();
  const pid_t acceptor = Fork([this] {
    IOLoop& loop = IOLoop::Current();
    // Counts how often the idle timer would have fired by itself.
    constexpr absl::Duration kIdleRetry = absl::Milliseconds(200);
    char ticks = 'a';
    Timeout timer;
    std::function<void()> tick = [&] {
      ++ticks;
      timer = loop.CallLater(kIdleRetry, [&] { tick(); });
    };
    tick();
    const AcceptHandle handle =
        AddAcceptHandler(loop, socket_,
                         [&](UniqueFd connection, SocketAddress) {
                           EXPECT_EQ(::write(connection.get(), &ticks, 1), 1);
                         },
                         {.idle_retry = kIdleRetry});
    loop.AddCallback([this] { Say(ready_write_.get()); });
    loop.Start();
  });
  ASSERT_TRUE(Says(ready_read_.get(), kDeadline));
  // It sees nothing before all connections are stranded.
  ASSERT_EQ(::kill(acceptor, SIGSTOP), 0);
  WaitUntil(acceptor, "T");
  std::vector<UniqueFd> clients;
  for (int i = 0; i < kStranded; ++i) {
    clients.push_back(ConnectTo(socket_.address()));
    ASSERT_TRUE(Says(swallowed_read_.get(), kDeadline));
  }
  ASSERT_EQ(::kill(acceptor, SIGCONT), 0);
  char first = 0, last = 0;
  ASSERT_TRUE(Says(clients.front().get(), kDeadline, &first));
  ASSERT_TRUE(Says(clients.back().get(), kDeadline, &last));
  EXPECT_LE(last - first, 2);
}

}  // namespace
}  // namespace squall
