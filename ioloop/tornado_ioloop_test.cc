// Those tests of Tornado's ioloop_test.py that transfer, each under its name there. Those with
// executors are in executor_test.cc, those of PeriodicCallback in periodic_callback_test.cc;
// docs/tornado-compat.md lists the rest. What squall adds is in ioloop_test.cc.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_fixture.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::pair<UniqueFd, UniqueFd> SocketPair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class TestIOLoop : public internal::LoopFixture {
 protected:
  void Stop() { loop_.Stop(); }
};

TEST_F(TestIOLoop, AddCallbackReturnSequence) {
  // A callback that returns something does not make the loop spin.
  loop_.AddCallback([] { return std::vector<int>(); });
  loop_.AddCallback([] { return std::string(); });
  const Timeout end = loop_.CallLater(absl::Milliseconds(50), [this] { Stop(); });
  loop_.ResetStats();
  Start();
  EXPECT_LT(loop_.stats().iterations, 10);
}

TEST_F(TestIOLoop, AddCallbackWakeup) {
  // From within the running loop, at once and not at the next timer.
  MonotonicTime start;
  MonotonicTime called;
  const Timeout schedule = loop_.CallLater(absl::ZeroDuration(), [&] {
    loop_.AddCallback([&] {
      called = Clock::Real().Now();
      Stop();
    });
    start = Clock::Real().Now();
  });
  Start();
  EXPECT_LT(called - start, absl::Seconds(1));
}

TEST_F(TestIOLoop, AddCallbackWakeupOtherThread) {
  MonotonicTime added;
  LoopMeter meter = {};
  loop_.SetMeter(&meter);
  std::thread thread;
  loop_.AddCallback([&] {
    thread = std::thread([&] {
      // Until the loop waits for descriptors, and for nothing else.
      while (!meter.idle()) std::this_thread::yield();
      added = Clock::Real().Now();
      loop_.AddCallback([this] { Stop(); });
    });
  });
  Start();
  const MonotonicTime stopped = Clock::Real().Now();
  thread.join();
  loop_.SetMeter(nullptr);
  EXPECT_LT(stopped - added, absl::Seconds(1));
}

TEST_F(TestIOLoop, AddTimeoutTimedelta) {
  const Timeout timeout = loop_.CallLater(absl::Microseconds(1), [this] { Stop(); });
  Start();
}

TEST_F(TestIOLoop, MultipleAdd) {
  const auto [client, server] = SocketPair();
  EXPECT_THAT(loop_.AddHandler(client.get(), IOLoop::kRead, [](uint32_t) {}), IsOk());
  EXPECT_THAT(loop_.AddHandler(client.get(), IOLoop::kRead, [](uint32_t) {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  loop_.RemoveHandler(client.get());
}

TEST_F(TestIOLoop, RemoveWithoutAdd) {
  const auto [client, server] = SocketPair();
  loop_.RemoveHandler(client.get());
}

TEST_F(TestIOLoop, ReadWhileWriteable) {
  const auto [client, server] = SocketPair();
  uint32_t seen = 0;
  ASSERT_THAT(loop_.AddHandler(client.get(), IOLoop::kRead,
                               [&](uint32_t events) {
                                 seen = events;
                                 Stop();
                               }),
              IsOk());
  const Timeout write = loop_.CallLater(
      absl::Milliseconds(10), [fd = server.get()] { EXPECT_EQ(::write(fd, "asdf", 4), 4); });
  Start();
  EXPECT_EQ(seen, IOLoop::kRead);
  loop_.RemoveHandler(client.get());
}

TEST_F(TestIOLoop, RemoveTimeoutAfterFire) {
  Timeout handle = loop_.CallAt(Clock::Real().Now(), [this] { Stop(); });
  Start();
  handle.Cancel();
}

TEST_F(TestIOLoop, RemoveTimeoutCleanup) {
  bool called = false;
  for (int i = 0; i < 2000; ++i) {
    Timeout timeout = loop_.CallLater(absl::Hours(1), [&called] { called = true; });
    timeout.Cancel();
    EXPECT_FALSE(timeout.active());
  }
  loop_.AddCallback([this] { loop_.AddCallback([this] { Stop(); }); });
  Start();
  EXPECT_FALSE(called);
}

TEST_F(TestIOLoop, RemoveTimeoutFromTimeout) {
  // All are due at once: the second is cancelled by the first nevertheless.
  std::vector<int> calls;
  const MonotonicTime now = Clock::Real().Now();
  Timeout second;
  const Timeout first = loop_.CallAt(now - absl::Milliseconds(30), [&] {
    calls.push_back(1);
    second.Cancel();
  });
  second = loop_.CallAt(now - absl::Milliseconds(20), [&] { calls.push_back(2); });
  const Timeout end = loop_.CallAt(now - absl::Milliseconds(10), [this] { Stop(); });
  Start();
  EXPECT_THAT(calls, ElementsAre(1));
}

TEST_F(TestIOLoop, TimeoutWithArguments) {
  std::vector<int> results;
  const auto append = [&results](int n) { return [&results, n] { results.push_back(n); }; };
  const MonotonicTime now = Clock::Real().Now();
  const Timeout timeouts[] = {
      loop_.CallAt(now, append(1)),
      loop_.CallLater(absl::ZeroDuration(), append(2)),
      loop_.CallAt(now, append(3)),
      loop_.CallLater(absl::ZeroDuration(), append(4)),
      loop_.CallLater(absl::Milliseconds(1), [this] { Stop(); }),
  };
  Start();
  std::sort(results.begin(), results.end());
  EXPECT_THAT(results, ElementsAre(1, 2, 3, 4));
}

// add_timeout_return is one of these two.
TEST_F(TestIOLoop, CallAtReturn) {
  Timeout handle = loop_.CallAt(Clock::Real().Now(), [] {});
  EXPECT_TRUE(handle.active());
  handle.Cancel();
  EXPECT_FALSE(handle.active());
}

TEST_F(TestIOLoop, CallLaterReturn) {
  Timeout handle = loop_.CallLater(absl::ZeroDuration(), [] {});
  EXPECT_TRUE(handle.active());
  handle.Cancel();
  EXPECT_FALSE(handle.active());
}

TEST_F(TestIOLoop, ExceptionLogging) {
  LogCapture log;
  loop_.AddCallback([] { throw std::runtime_error("1 / 0"); });
  loop_.AddCallback([this] { Stop(); });
  Start();
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("Exception in a callback")));
}

Task<> Throw() {
  throw std::runtime_error("1 / 0");
  co_return;
}

// exception_logging_future and spawn_callback are the same with coroutines of one kind.
TEST_F(TestIOLoop, ExceptionLoggingNativeCoro) {
  LogCapture log;
  loop_.AddCallback([this] {
    loop_.AddCallback([this] { Stop(); });
    loop_.Spawn(Throw());
  });
  Start();
  EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("1 / 0")));
}

TEST_F(TestIOLoop, RemoveHandlerFromHandler) {
  // Both have something to read in the same iteration; the one that is called first removes the
  // other.
  const auto [client, server] = SocketPair();
  ASSERT_EQ(::write(client.get(), "abc", 3), 3);
  ASSERT_EQ(::write(server.get(), "abc", 3), 3);
  std::vector<std::string> chunks;
  const auto handle_read = [&](int fd, int other) {
    return [&, fd, other](uint32_t) {
      char chunk[1024];
      const ssize_t size = ::read(fd, chunk, sizeof chunk);
      chunks.emplace_back(chunk, size);
      loop_.RemoveHandler(other);
    };
  };
  ASSERT_THAT(
      loop_.AddHandler(client.get(), IOLoop::kRead, handle_read(client.get(), server.get())),
      IsOk());
  ASSERT_THAT(
      loop_.AddHandler(server.get(), IOLoop::kRead, handle_read(server.get(), client.get())),
      IsOk());
  const Timeout end = loop_.CallLater(absl::Milliseconds(20), [this] { Stop(); });
  Start();
  EXPECT_THAT(chunks, ElementsAre("abc"));
  loop_.RemoveHandler(client.get());
  loop_.RemoveHandler(server.get());
}

class TestIOLoopRunSync : public internal::LoopFixture {};

TEST_F(TestIOLoopRunSync, SyncException) {
  EXPECT_THROW((void)loop_.RunSync(Throw()), std::runtime_error);
}

Task<int> MomentThenResult() {
  co_await Sleep(absl::ZeroDuration());
  co_return 42;
}

TEST_F(TestIOLoopRunSync, AsyncResult) {
  EXPECT_THAT(loop_.RunSync(MomentThenResult()), IsOkAndHolds(42));
}

Task<> MomentThenException() {
  co_await Sleep(absl::ZeroDuration());
  throw std::runtime_error("1 / 0");
}

TEST_F(TestIOLoopRunSync, AsyncException) {
  EXPECT_THROW((void)loop_.RunSync(MomentThenException()), std::runtime_error);
}

Task<IOLoop*> CurrentLoop() {
  co_await Sleep(absl::ZeroDuration());
  co_return &IOLoop::Current();
}

TEST_F(TestIOLoopRunSync, Current) {
  EXPECT_THAT(loop_.RunSync(CurrentLoop()), IsOkAndHolds(&loop_));
}

Task<> SleepLong() { co_await Sleep(absl::Hours(1)); }

TEST_F(TestIOLoopRunSync, Timeout) {
  EXPECT_THAT(loop_.RunSync(SleepLong(), absl::Milliseconds(10)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

Task<> AwaitAnother() {
  const int result = co_await MomentThenResult();
  EXPECT_EQ(result, 42);
}

TEST_F(TestIOLoopRunSync, NativeCoroutine) { EXPECT_THAT(loop_.RunSync(AwaitAnother()), IsOk()); }

}  // namespace
}  // namespace squall
