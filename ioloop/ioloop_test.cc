#include "squall/ioloop/ioloop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
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
#include "squall/ioloop/loop_fixture.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::pair<UniqueFd, UniqueFd> MakePair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void WriteOctet(const UniqueFd& fd) { ASSERT_EQ(::write(fd.get(), "x", 1), 1); }

class IOLoopTest : public internal::LoopFixture {
 protected:
  // Runs `count` whole iterations.
  void Turn(int count = 1) {
    CountDown(count);
    Start();
  }
  void CountDown(int count) {
    loop_.AddCallback([this, count] { count == 0 ? loop_.Stop() : CountDown(count - 1); });
  }
};

// Callbacks.

// test_add_callback_wakeup_other_thread: within the poll, not at its timeout.
TEST_F(IOLoopTest, AddCallbackWakesTheLoopFromAnotherThread) {
  std::thread thread;
  bool ran = false;
  loop_.AddCallback([this, &thread, &ran] {
    thread = std::thread([this, &ran] {
      loop_.AddCallback([this, &ran] {
        ran = true;
        loop_.Stop();
      });
    });
  });
  Start();
  thread.join();
  EXPECT_TRUE(ran);
}

TEST_F(IOLoopTest, CallbacksOfManyThreadsAllRunInTheOrderOfEach) {
  constexpr int kThreads = 4;
  constexpr int kCallbacks = 5000;
  std::vector<int> next(kThreads);
  int left = kThreads * kCallbacks;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t, &next, &left] {
      for (int i = 0; i < kCallbacks; ++i) {
        loop_.AddCallback([this, t, i, &next, &left] {
          EXPECT_EQ(next[t]++, i);
          if (--left == 0) loop_.Stop();
        });
      }
    });
  }
  Start();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(next, testing::Each(kCallbacks));
}

TEST_F(IOLoopTest, CallbacksAddedInAnIterationRunInTheNext) {
  std::vector<std::string> order;
  loop_.AddCallback([&] {
    order.push_back("first");
    loop_.AddCallback([&] { order.push_back("added by first"); });
  });
  loop_.AddCallback([&] { order.push_back("second"); });
  Turn(3);
  EXPECT_THAT(order, ElementsAre("first", "second", "added by first"));
}

// test_add_callback_return_sequence, and nobody starves the descriptors.
TEST_F(IOLoopTest, ACallbackThatAddsItselfStarvesNobody) {
  auto [a, b] = MakePair();
  WriteOctet(b);
  int callbacks = 0;
  struct Again {
    IOLoop* loop;
    int* count;
    void operator()() {
      ++*count;
      loop->AddCallback(Again{loop, count});
    }
  };
  loop_.AddCallback(Again{&loop_, &callbacks});
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [this](uint32_t) { loop_.Stop(); }), IsOk());
  Start();
  EXPECT_LT(callbacks, 10);
}

TEST_F(IOLoopTest, ACallbackIsReleasedRightAfterItRan) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  bool released = false;
  loop_.AddCallback([owned = std::move(owned)] {});
  loop_.AddCallback([&] { released = watch.expired(); });
  Turn();
  EXPECT_TRUE(released);
}

// test_exception_logging*.
TEST_F(IOLoopTest, ExceptionsAreLoggedAndTheLoopGoesOn) {
  LogCapture log;
  auto [a, b] = MakePair();
  WriteOctet(b);
  loop_.AddCallback([] { throw std::runtime_error("from a callback"); });
  loop_.AddCallback([] { throw 42; });
  loop_.CallLater(absl::ZeroDuration(), [] { throw std::runtime_error("from a timer"); }).Detach();
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead,
                               [this, fd = a.get()](uint32_t) {
                                 loop_.RemoveHandler(fd);
                                 throw std::runtime_error("from a handler");
                               }),
              IsOk());
  Turn(3);
  // Each is named by the line that added it.
  const std::string here = R"( of ioloop_test\.cc:[0-9]+ \(TestBody\): )";
  EXPECT_THAT(
      log.messages(),
      UnorderedElementsAre(ContainsRegex("E Exception in a callback" + here + "from a callback"),
                           ContainsRegex("E Exception in a callback" + here + "not a std::ex"),
                           ContainsRegex("E Exception in a timer" + here + "from a timer"),
                           ContainsRegex("E Exception in a handler" + here + "from a handler")));
}

// Start and Stop.

TEST_F(IOLoopTest, StopBeforeStartMakesTheNextStartReturnAtOnce) {
  bool ran = false;
  loop_.AddCallback([&] { ran = true; });
  loop_.Stop();
  loop_.Start();
  EXPECT_FALSE(ran);
  Turn();  // Once only.
  EXPECT_TRUE(ran);
}

TEST_F(IOLoopTest, StopEndsTheIterationNotTheCallback) {
  std::vector<int> order;
  loop_.AddCallback([&] {
    loop_.Stop();
    order.push_back(1);
    loop_.AddCallback([&] { order.push_back(3); });
  });
  loop_.AddCallback([&] { order.push_back(2); });
  Start();
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_FALSE(loop_.running());
  Turn();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

int hook_calls = 0;
TEST_F(IOLoopTest, TheStartHookRunsAtEveryStart) {
  internal::SetLoopStartHook([](IOLoop& loop) {
    EXPECT_TRUE(loop.running());
    ++hook_calls;
  });
  Turn();
  EXPECT_EQ(hook_calls, 1);
  Turn();
  EXPECT_EQ(hook_calls, 2);
  // RunSync is for programs that set themselves up, they do not serve yet.
  struct Local {
    static Task<> Run() { co_await Sleep(absl::ZeroDuration()); }
  };
  EXPECT_THAT(loop_.RunSync(Local::Run()), IsOk());
  EXPECT_EQ(hook_calls, 2);
  loop_.Stop();
  loop_.Start();
  EXPECT_EQ(hook_calls, 2);
  internal::SetLoopStartHook(nullptr);
  Turn();
  EXPECT_EQ(hook_calls, 2);
}

TEST_F(IOLoopTest, NowStandsStillWithinACallback) {
  loop_.AddCallback([this] {
    const MonotonicTime before = loop_.Now();
    const MonotonicTime real = Clock::Real().Now();
    EXPECT_LE(before, real);
    while (Clock::Real().Now() - real < absl::Microseconds(100)) {
    }
    EXPECT_EQ(loop_.Now(), before);
  });
  Turn();
  const MonotonicTime real = Clock::Real().Now();
  EXPECT_GE(loop_.Now(), real);  // Not running: the clock's.
}

// Handlers.

TEST_F(IOLoopTest, AHandlerIsCalledWithWhatItAskedFor) {
  auto [a, b] = MakePair();
  std::vector<uint32_t> seen;
  // test_read_while_writeable: both are there, writing is not asked for.
  WriteOctet(b);
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead,
                               [&](uint32_t events) {
                                 seen.push_back(events);
                                 loop_.Stop();
                               }),
              IsOk());
  Start();
  EXPECT_THAT(seen, ElementsAre(IOLoop::kRead));
  ASSERT_THAT(loop_.UpdateHandler(a.get(), IOLoop::kRead | IOLoop::kWrite), IsOk());
  Start();
  EXPECT_THAT(seen, ElementsAre(IOLoop::kRead, IOLoop::kRead | IOLoop::kWrite));
  ASSERT_THAT(loop_.UpdateHandler(a.get(), IOLoop::kNone), IsOk());
  Turn(3);
  EXPECT_EQ(seen.size(), 2u);
  b.reset();  // Errors come unasked.
  Start();
  EXPECT_THAT(seen.back() & IOLoop::kError, EPOLLHUP);
}

TEST_F(IOLoopTest, AHandlerIsLevelTriggered) {
  auto [a, b] = MakePair();
  WriteOctet(b);
  int calls = 0;
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [&](uint32_t) { ++calls; }), IsOk());
  Turn(4);
  EXPECT_GE(calls, 3);
}

// test_multiple_add, test_remove_without_add, and other mistakes.
TEST_F(IOLoopTest, MistakesWithHandlersAreErrors) {
  auto [a, b] = MakePair();
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [](uint32_t) {}), IsOk());
  EXPECT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [](uint32_t) {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("has a handler")));
  EXPECT_THAT(loop_.AddHandler(-1, IOLoop::kRead, [](uint32_t) {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1")));
  EXPECT_THAT(loop_.AddHandler(99'999, IOLoop::kRead, [](uint32_t) {}),
              StatusIs(testing::_, HasSubstr("Bad file descriptor")));
  EXPECT_THAT(loop_.UpdateHandler(b.get(), IOLoop::kRead), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(loop_.UpdateHandler(-1, IOLoop::kRead), StatusIs(absl::StatusCode::kNotFound));
  loop_.RemoveHandler(b.get());
  loop_.RemoveHandler(-1);
  loop_.RemoveHandler(1'000'000);
  char name[] = "/tmp/ioloop_test_XXXXXX";
  UniqueFd file(::mkstemp(name));
  ::unlink(name);
  EXPECT_THAT(loop_.AddHandler(file.get(), IOLoop::kRead, [](uint32_t) {}),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

// The kernel refuses EPOLL_CTL_MOD to and from EPOLLEXCLUSIVE.
TEST_F(IOLoopTest, UpdateHandlerOfExclusiveHandlers) {
  auto [a, b] = MakePair();
  int calls = 0;
  const uint32_t exclusive = IOLoop::kRead | EPOLLEXCLUSIVE;
  ASSERT_THAT(loop_.AddHandler(a.get(), exclusive, [&](uint32_t) { ++calls; }), IsOk());
  WriteOctet(b);
  Turn(2);
  const int with_read = calls;
  EXPECT_GT(with_read, 0);
  ASSERT_THAT(loop_.UpdateHandler(a.get(), IOLoop::kNone), IsOk());
  Turn(2);
  EXPECT_EQ(calls, with_read);
  ASSERT_THAT(loop_.UpdateHandler(a.get(), exclusive), IsOk());
  Turn(2);
  EXPECT_GT(calls, with_read);
  // What the kernel refuses leaves the handler as it was.
  const int before = calls;
  EXPECT_THAT(loop_.UpdateHandler(a.get(), exclusive | EPOLLRDHUP),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Turn(2);
  EXPECT_GT(calls, before);
}

// test_remove_handler_from_handler: two descriptors are ready in one iteration, the first handler
// that runs removes the other.
TEST_F(IOLoopTest, AHandlerRemovedByAnotherDoesNotRun) {
  auto [a, a_peer] = MakePair();
  auto [b, b_peer] = MakePair();
  WriteOctet(a_peer);
  WriteOctet(b_peer);
  int calls = 0;
  const auto handler = [&, a = a.get(), b = b.get()](uint32_t) {
    ++calls;
    loop_.RemoveHandler(a);
    loop_.RemoveHandler(b);
  };
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, handler), IsOk());
  ASSERT_THAT(loop_.AddHandler(b.get(), IOLoop::kRead, handler), IsOk());
  Turn(3);
  EXPECT_EQ(calls, 1);
}

// The descriptor that the first handler closes is opened again under the same number, with a new
// handler: the event that is still in hand belongs to the old one.
TEST_F(IOLoopTest, AReusedDescriptorDoesNotInheritTheEvent) {
  auto a_pair = MakePair();
  UniqueFd& a = a_pair.first;
  UniqueFd& a_peer = a_pair.second;
  auto b_pair = MakePair();
  UniqueFd& b = b_pair.first;
  UniqueFd& b_peer = b_pair.second;
  auto spare_pair = MakePair();
  UniqueFd& spare = spare_pair.first;
  UniqueFd& spare_peer = spare_pair.second;  // Nothing to read here.
  WriteOctet(a_peer);
  WriteOctet(b_peer);
  int old_calls = 0;
  int new_calls = 0;
  const auto replace = [&](UniqueFd& other) {
    const int number = other.get();
    loop_.RemoveHandler(number);
    ASSERT_EQ(::dup3(spare.get(), number, O_CLOEXEC), number);
    ASSERT_THAT(loop_.AddHandler(number, IOLoop::kRead, [&](uint32_t) { ++new_calls; }), IsOk());
  };
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead,
                               [&, fd = a.get()](uint32_t) {
                                 ++old_calls;
                                 loop_.RemoveHandler(fd);
                                 replace(b);
                               }),
              IsOk());
  ASSERT_THAT(loop_.AddHandler(b.get(), IOLoop::kRead,
                               [&, fd = b.get()](uint32_t) {
                                 ++old_calls;
                                 loop_.RemoveHandler(fd);
                                 replace(a);
                               }),
              IsOk());
  Turn(3);
  EXPECT_EQ(old_calls, 1);
  EXPECT_EQ(new_calls, 0);
  WriteOctet(spare_peer);
  Turn(2);
  EXPECT_GT(new_calls, 0);
}

TEST_F(IOLoopTest, AHandlerMayReplaceItself) {
  auto [a, b] = MakePair();
  WriteOctet(b);
  std::vector<std::string> calls;
  std::string captured =
      "long enough to live on the heap, and to be seen when it is used after free";
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead,
                               [&, fd = a.get(), captured](uint32_t) {
                                 loop_.RemoveHandler(fd);
                                 EXPECT_THAT(loop_.AddHandler(fd, IOLoop::kRead,
                                                              [&](uint32_t) {
                                                                calls.push_back("new");
                                                                loop_.Stop();
                                                              }),
                                             IsOk());
                                 calls.push_back(captured);
                               }),
              IsOk());
  Start();
  EXPECT_THAT(calls, ElementsAre(captured, "new"));
}

TEST_F(IOLoopTest, AHandlerMayGrowTheTableWhileItRuns) {
  auto a_pair = MakePair();
  UniqueFd& a = a_pair.first;
  UniqueFd& b = a_pair.second;
  WriteOctet(b);
  UniqueFd high;
  uint64_t sum = 0;
  std::string captured(100, 'x');
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead,
                               [&, captured](uint32_t) {
                                 high.reset(::fcntl(b.get(), F_DUPFD_CLOEXEC, 900));
                                 EXPECT_THAT(loop_.AddHandler(high.get(), 0, [](uint32_t) {}),
                                             IsOk());
                                 for (char c : captured) sum += c;
                                 loop_.Stop();
                               }),
              IsOk());
  Start();
  EXPECT_EQ(sum, 100u * 'x');
  loop_.RemoveHandler(high.get());
}

// Destructors of callables come back to the loop in the worst moments.
struct RemovesOnDestruction {
  explicit RemovesOnDestruction(int fd) : fd(fd) {}
  ~RemovesOnDestruction() {
    if (IOLoop* const loop = IOLoop::IfExists(); loop != nullptr) loop->RemoveHandler(fd);
  }
  int fd;
};

TEST_F(IOLoopTest, DestructorsOfHandlersMayRemoveOthers) {
  auto [a, b] = MakePair();
  auto guard_a = std::make_shared<RemovesOnDestruction>(b.get());
  auto guard_b = std::make_shared<RemovesOnDestruction>(a.get());
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [g = std::move(guard_a)](uint32_t) {}),
              IsOk());
  ASSERT_THAT(loop_.AddHandler(b.get(), IOLoop::kRead, [g = std::move(guard_b)](uint32_t) {}),
              IsOk());
  loop_.RemoveHandler(a.get());
  EXPECT_THAT(loop_.UpdateHandler(b.get(), IOLoop::kNone), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(IOLoopTest, TheEndOfTheLoopReleasesEverything) {
  auto [a, b] = MakePair();
  auto owned = std::make_shared<RemovesOnDestruction>(a.get());
  std::weak_ptr<RemovesOnDestruction> watch = owned;
  ASSERT_THAT(loop_.AddHandler(a.get(), IOLoop::kRead, [owned](uint32_t) {}), IsOk());
  loop_.AddCallback([owned] {});
  Timeout timeout = loop_.CallLater(absl::Hours(1), [owned] {});
  Timeout fired = loop_.CallLater(absl::ZeroDuration(), [this] { loop_.Stop(); });
  Start();
  loop_.AddCallback([owned] {});
  owned.reset();
  EXPECT_FALSE(watch.expired());
  IOLoop::ClearCurrent();
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(timeout.active());
  EXPECT_EQ(IOLoop::IfExists(), nullptr);
}

// Two hundred descriptors are more than one epoll_wait returns.
TEST_F(IOLoopTest, MoreReadyDescriptorsThanOneCallReturns) {
  std::vector<std::pair<UniqueFd, UniqueFd>> pairs;
  int left = 200;
  for (int i = 0; i < 200; ++i) {
    pairs.push_back(MakePair());
    WriteOctet(pairs.back().second);
    ASSERT_THAT(loop_.AddHandler(pairs.back().first.get(), IOLoop::kRead,
                                 [&, fd = pairs.back().first.get()](uint32_t) {
                                   loop_.RemoveHandler(fd);
                                   if (--left == 0) loop_.Stop();
                                 }),
                IsOk());
  }
  Start();
  EXPECT_EQ(left, 0);
}

// Timers on the loop; timer_queue_test.cc has the rest.

TEST_F(IOLoopTest, TimersFireInOrderAndNeverEarly) {
  std::vector<int> order;
  const MonotonicTime start = Clock::Real().Now();
  MonotonicTime fired;
  loop_
      .CallLater(absl::Milliseconds(20),
                 [&] {
                   order.push_back(2);
                   fired = Clock::Real().Now();
                   loop_.Stop();
                 })
      .Detach();
  loop_.CallAt(start, [&] { order.push_back(1); }).Detach();
  loop_.CallLater(absl::Milliseconds(10), [&] { order.push_back(3); }).Cancel();
  Start();
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_GE(fired - start, absl::Milliseconds(20));
}

// Rounded down, the wait for the last fraction of a millisecond would be a turn with timeout 0
// after another. A handler that is always ready would hide that, so the turns are counted by their
// system calls' CPU time.
TEST_F(IOLoopTest, WaitingForATimerDoesNotSpin) {
  const auto cpu_time = [] {
    timespec time;
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Duration before = cpu_time();
  for (int i = 0; i < 100; ++i) {
    loop_.CallLater(absl::Microseconds(1900), [this] { loop_.Stop(); }).Detach();
    Start();
  }
  // Spinning through the fractions would take 90 ms.
  EXPECT_LT(cpu_time() - before, absl::Milliseconds(45));
}

TEST_F(IOLoopTest, CallLaterCountsFromTheCallNotFromTheIteration) {
  loop_.AddCallback([this] {
    const MonotonicTime armed = Clock::Real().Now() + absl::Milliseconds(10);
    while (Clock::Real().Now() < armed) {
    }
    loop_
        .CallLater(absl::Milliseconds(10),
                   [this, armed] {
                     EXPECT_GE(Clock::Real().Now() - armed, absl::Milliseconds(10));
                     loop_.Stop();
                   })
        .Detach();
  });
  Start();
}

// Loops and threads.

TEST_F(IOLoopTest, EachThreadHasItsOwnLoop) {
  EXPECT_EQ(&IOLoop::Current(), &loop_);
  IOLoop* other = nullptr;
  bool ran = false;
  std::thread([&] {
    EXPECT_EQ(IOLoop::IfExists(), nullptr);
    other = &IOLoop::Current();
    EXPECT_EQ(IOLoop::IfExists(), other);
    other->AddCallback([&] {
      ran = true;
      other->Stop();
    });
    other->Start();
  }).join();
  EXPECT_NE(other, &loop_);
  EXPECT_TRUE(ran);
}

TEST(IOLoopExistsTest, FollowsTheLoops) {
  ASSERT_FALSE(IOLoop::Exists());
  IOLoop::Current();
  EXPECT_TRUE(IOLoop::Exists());
  IOLoop::ClearCurrent();
  EXPECT_FALSE(IOLoop::Exists());
  std::thread([] { IOLoop::Current(); }).join();
  EXPECT_FALSE(IOLoop::Exists());
}

}  // namespace
}  // namespace squall
