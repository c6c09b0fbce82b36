// What an executor does. That it stops in time, and that nothing is left of what was stopped, is in
// executor_cancel_test.cc; processes are in executor_fork_test.cc.
#include "squall/ioloop/executor.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/executor_fixture.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using internal::Gate;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointee;

class ExecutorTest : public internal::ExecutorFixture {};

struct OnlyMoved {
  explicit OnlyMoved(int number) : number(std::make_unique<int>(number)) {}
  int operator()() && { return *number; }
  std::unique_ptr<int> number;
};

struct NoDefault {
  explicit NoDefault(int number) : number(number) {}
  int number;
};

TEST_F(ExecutorTest, Results) {
  Executor executor;
  absl::Status nothing = loop_.RunSync(executor.Run([] {}));
  EXPECT_THAT(nothing, IsOk());
  absl::StatusOr<int> value = loop_.RunSync(executor.Run([] { return 42; }));
  EXPECT_THAT(value, IsOkAndHolds(42));
  absl::Status status = loop_.RunSync(executor.Run([] { return absl::DataLossError("gone"); }));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, "gone"));
  absl::StatusOr<int> flat = loop_.RunSync(executor.Run([] { return absl::StatusOr<int>(43); }));
  EXPECT_THAT(flat, IsOkAndHolds(43));
  absl::StatusOr<int> error = loop_.RunSync(
      executor.Run([]() -> absl::StatusOr<int> { return absl::NotFoundError("no"); }));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kNotFound, "no"));
  EXPECT_THAT(loop_.RunSync(executor.Run(OnlyMoved(44))), IsOkAndHolds(44));
  EXPECT_THAT(loop_.RunSync(executor.Run([] { return std::make_unique<int>(45); })),
              IsOkAndHolds(Pointee(45)));
  absl::StatusOr<NoDefault> made = loop_.RunSync(executor.Run([] { return NoDefault(46); }));
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->number, 46);
  EXPECT_THAT(
      loop_.RunSync(executor.Run([](std::stop_token stop) { return stop.stop_possible(); })),
      IsOkAndHolds(true));
}

Task<std::pair<absl::StatusOr<std::thread::id>, std::thread::id>> Threads(Executor* executor) {
  absl::StatusOr<std::thread::id> there =
      co_await executor->Run([] { return std::this_thread::get_id(); });
  co_return std::pair(there, std::this_thread::get_id());
}

TEST_F(ExecutorTest, TheWorkHasAThreadOfItsOwnAndTheCoroutineGoesOnInTheLoops) {
  Executor executor;
  const auto threads = loop_.RunSync(Threads(&executor));
  ASSERT_THAT(threads, IsOk());
  ASSERT_THAT(threads->first, IsOk());
  EXPECT_NE(*threads->first, std::this_thread::get_id());
  EXPECT_EQ(threads->second, std::this_thread::get_id());
}

TEST_F(ExecutorTest, AnExceptionLeavesThroughTheAwait) {
  Executor executor;
  try {
    (void)loop_.RunSync(executor.Run([]() -> int { throw std::runtime_error("boom"); }));
    ADD_FAILURE();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "boom");
  }
}

TEST_F(ExecutorTest, TheCallableIsDestroyedBeforeItsResultIsThere) {
  Executor executor;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  Task<absl::Status> task = executor.Run([held = std::move(held)] {});
  EXPECT_FALSE(watched.expired());
  auto done = Begin([&task] { return std::move(task); });
  RunUntilDone(done);
  EXPECT_TRUE(watched.expired());
}

TEST_F(ExecutorTest, TheLoopGoesOnMeanwhile) {
  Executor executor;
  const Gate gate;
  auto blocked = BeginAndWait(executor, gate);
  RunFor(absl::Milliseconds(5));
  EXPECT_FALSE(blocked.done());
  loop_.CallLater(absl::Milliseconds(5), [gate] { gate.Open(); }).Detach();
  RunUntilDone(blocked);
  EXPECT_THAT(blocked.result(), IsOk());
}

TEST_F(ExecutorTest, ThreadsAreStartedWithWorkAndUsedAgain) {
  Executor executor;
  EXPECT_EQ(executor.stats().threads, 0);
  struct Local {
    static Task<> RunOften(Executor* executor) {
      for (int i = 0; i < 200; ++i) {
        const absl::Status done = co_await executor->Run([] {});
        EXPECT_THAT(done, IsOk());
        EXPECT_EQ(executor->stats().threads, 1);
      }
    }
  };
  EXPECT_THAT(loop_.RunSync(Local::RunOften(&executor)), IsOk());
}

// A process that has spawned its tasks but does not run its loop yet may still fork.
TEST_F(ExecutorTest, NoThreadIsStartedBeforeTheLoopRuns) {
  Executor executor;
  auto done = Begin([&executor] { return executor.Run([] {}); });
  EXPECT_EQ(executor.stats().threads, 0);
  EXPECT_EQ(executor.stats().queued, 0);
  RunUntilDone(done);
  EXPECT_EQ(executor.stats().threads, 1);
}

TEST_F(ExecutorTest, AsMuchAtATimeAsThereAreThreadsAndTheRestInItsOrder) {
  Executor executor({.max_threads = 2});
  const Gate gate;
  auto first = BeginAndWait(executor, gate);
  auto second = BeginAndWait(executor, gate);
  const Gate third_begun;
  const Gate third_ends;
  std::string order;
  auto third = Begin([&] {
    return executor.Run([&] {
      order += "3";
      third_begun.Open();
      third_ends.Wait();
    });
  });
  auto other = Begin([&] { return executor.Run([gate] { gate.Wait(); }); });
  RunBriefly();
  EXPECT_EQ(executor.stats().threads, 2);
  EXPECT_EQ(executor.stats().running, 2);
  EXPECT_EQ(executor.stats().queued, 2);
  gate.Open();
  third_ends.Open();
  RunUntilDone(first, second, third, other);
  EXPECT_EQ(executor.stats().running, 0);
  EXPECT_EQ(executor.stats().queued, 0);
  EXPECT_EQ(executor.stats().threads, 2);
}

TEST_F(ExecutorTest, WorkOfOneThreadIsDoneInItsOrder) {
  Executor executor({.max_threads = 1});
  const Gate gate;
  auto blocked = BeginAndWait(executor, gate);
  std::vector<int> order;
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(executor.Run([&order, i] { order.push_back(i); }));
  auto all = Begin([&tasks] { return Gather(std::move(tasks)); });
  RunBriefly();
  gate.Open();
  RunUntilDone(blocked, all);
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(ExecutorTest, AFullQueueRefuses) {
  Executor executor({.name = "tiny", .max_threads = 1, .max_queued = 2});
  const Gate gate;
  auto running = BeginAndWait(executor, gate);
  auto second = Begin([&] { return executor.Run([] {}); });
  auto third = Begin([&] { return executor.Run([] {}); });
  auto refused = Begin([&] { return executor.Run([] {}); });
  RunBriefly();
  ASSERT_TRUE(refused.done());
  EXPECT_THAT(refused.result(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "Executor::Run: 1 works run and 2 wait in executor 'tiny', which has "
                       "max_threads 1 and max_queued 2"));
  gate.Open();
  RunUntilDone(running, second, third);
  EXPECT_THAT(third.result(), IsOk());
  EXPECT_THAT(loop_.RunSync(executor.Run([] {})), IsOk());
}

TEST_F(ExecutorTest, AQueueWithoutABound) {
  Executor executor({.max_threads = 1, .max_queued = std::numeric_limits<size_t>::max()});
  EXPECT_THAT(loop_.RunSync(executor.Run([] {})), IsOk());
}

TEST_F(ExecutorTest, WithoutAQueueWhoComesAfterAResultFindsItsThreadFree) {
  Executor executor({.max_threads = 1, .max_queued = 0});
  struct Local {
    static Task<int> RunOften(Executor* executor) {
      int refused = 0;
      for (int i = 0; i < 1000; ++i) {
        const absl::Status done = co_await executor->Run([] {});
        if (!done.ok()) ++refused;
      }
      co_return refused;
    }
  };
  EXPECT_THAT(loop_.RunSync(Local::RunOften(&executor)), IsOkAndHolds(0));
}

TEST_F(ExecutorTest, NameAndSignalsOfAThread) {
  Executor executor({.name = "a name that is too long"});
  const auto name = loop_.RunSync(executor.Run([] {
    char name[32] = "";
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return std::string(name);
  }));
  EXPECT_THAT(name, IsOkAndHolds("a name that is "));

  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const auto open = loop_.RunSync(executor.Run([] {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    std::vector<int> open;
    for (int signo = 1; signo < 32; ++signo) {
      if (signo != SIGKILL && signo != SIGSTOP && ::sigismember(&blocked, signo) == 0) {
        open.push_back(signo);
      }
    }
    return open;
  }));
  EXPECT_THAT(open, IsOkAndHolds(ElementsAre(SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS)));
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signo = 1; signo < 32; ++signo) {
    EXPECT_EQ(::sigismember(&after, signo), ::sigismember(&before, signo)) << signo;
  }
}

TEST_F(ExecutorTest, IdleThreadsEndAndNewOnesTakeTheirPlace) {
  Executor executor({.max_threads = 3, .idle_timeout = absl::Milliseconds(5)});
  for (int round = 0; round < 3; ++round) {
    const Gate gate;
    auto first = BeginAndWait(executor, gate);
    auto second = BeginAndWait(executor, gate);
    auto third = BeginAndWait(executor, gate);
    EXPECT_EQ(executor.stats().threads, 3);
    gate.Open();
    RunUntilDone(first, second, third);
    RunUntil([&] { return executor.stats().threads == 0; });
  }
}

// The work goes to the thread that was busy last, so that the others may end.
TEST_F(ExecutorTest, SteadyWorkKeepsNoMoreThreadsThanItNeeds) {
  Executor executor({.max_threads = 3, .idle_timeout = absl::Milliseconds(100)});
  const Gate gate;
  auto first = BeginAndWait(executor, gate);
  auto second = BeginAndWait(executor, gate);
  auto third = BeginAndWait(executor, gate);
  gate.Open();
  RunUntilDone(first, second, third);
  int rounds = 0;
  RunUntil([&] {
    EXPECT_THAT(loop_.RunSync(executor.Run([] {})), IsOk());
    ++rounds;
    return executor.stats().threads == 1;
  });
  EXPECT_GT(rounds, 1);
}

// Makes threads impossible while it lives: no machine has room for their stacks.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t attributes;
    ::pthread_getattr_default_np(&attributes);
    EXPECT_EQ(::pthread_attr_setstacksize(&attributes, size_t{1} << 50), 0);
    EXPECT_EQ(::pthread_setattr_default_np(&attributes), 0);
    ::pthread_attr_destroy(&attributes);
  }
  ~NoMoreThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

TEST_F(ExecutorTest, AThreadThatCannotBeStarted) {
  Executor executor({.name = "few", .max_threads = 2});
  {
    const NoMoreThreads no_more;
    EXPECT_THAT(loop_.RunSync(executor.Run([] {})),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         HasSubstr("Executor::Run: cannot start a thread: ")));
    EXPECT_EQ(executor.stats().queued, 0);
  }
  const Gate gate;
  auto first = BeginAndWait(executor, gate);
  {
    // There is one, which then does all the work.
    LogCapture log;
    const NoMoreThreads no_more;
    auto second = Begin([&] { return executor.Run([] {}); });
    auto third = Begin([&] { return executor.Run([] {}); });
    RunBriefly();
    EXPECT_EQ(executor.stats().threads, 1);
    EXPECT_EQ(executor.stats().queued, 2);
    EXPECT_THAT(log.messages(), ElementsAre(HasSubstr("executor 'few' goes on with 1 of 2")));
    gate.Open();
    RunUntilDone(first, second, third);
    EXPECT_THAT(third.result(), IsOk());
  }
}

TEST_F(ExecutorTest, NoDescriptorForTheResults) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer of undefined behaviour looks at objects through a pipe of its own";
#endif
  Executor executor;
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit none = {0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status refused = loop_.RunSync(executor.Run([] {}));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("eventfd")));
  EXPECT_EQ(executor.stats().threads, 0);
  EXPECT_THAT(loop_.RunSync(executor.Run([] {})), IsOk());
}

// Each result comes back to the loop, and the thread, that asked.
TEST_F(ExecutorTest, LoopsOfSeveralThreads) {
  Executor executor({.max_threads = 3});
  struct Local {
    static Task<> RunOften(Executor* executor) {
      const std::thread::id here = std::this_thread::get_id();
      for (int i = 0; i < 200; ++i) {
        std::vector<Task<absl::StatusOr<int>>> tasks;
        for (int n = 0; n < 4; ++n) tasks.push_back(executor->Run([n] { return n; }));
        const std::vector<absl::StatusOr<int>> results = co_await Gather(std::move(tasks));
        EXPECT_EQ(std::this_thread::get_id(), here);
        for (int n = 0; n < 4; ++n) EXPECT_THAT(results[n], IsOkAndHolds(n));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&executor] {
      EXPECT_THAT(IOLoop::Current().RunSync(Local::RunOften(&executor)), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ExecutorTest, TheDefaultOne) {
  EXPECT_THAT(loop_.RunSync(RunInExecutor([] { return 42; })), IsOkAndHolds(42));
  EXPECT_EQ(&Executor::Default(), &Executor::Default());
}

TEST_F(ExecutorTest, NegativeThreadsDie) {
  EXPECT_DEATH(Executor({.max_threads = -1}),
               "ExecutorOptions::max_threads is -1; it must be positive, or 0 for the default");
}

// Those tests of Tornado's ioloop_test.py that are about executors, under their names there.
class TestIOLoopFutures : public internal::ExecutorFixture {
 protected:
  static int SyncFunc(int result, Gate self, Gate other) {
    self.Open();
    other.Wait();
    return result;
  }
};

TEST_F(TestIOLoopFutures, AddFutureThreads) {
  Executor pool({.max_threads = 1});
  auto future = Begin([&pool] { return pool.Run([] {}); });
  RunUntilDone(future);
  EXPECT_THAT(future.result(), IsOk());
}

TEST_F(TestIOLoopFutures, RunInExecutorGen) {
  const Gate event1;
  const Gate event2;
  // They would wait for each other for ever if they were not run in parallel.
  auto both = loop_.RunSync(Gather(RunInExecutor([=] { return SyncFunc(1, event1, event2); }),
                                   RunInExecutor([=] { return SyncFunc(2, event2, event1); })));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(std::get<0>(*both), IsOkAndHolds(1));
  EXPECT_THAT(std::get<1>(*both), IsOkAndHolds(2));
}

TEST_F(TestIOLoopFutures, RunInExecutorNative) {
  struct Local {
    static Task<absl::StatusOr<int>> Wrapper(int result, Gate self, Gate other) {
      auto work = [result, self, other] { return SyncFunc(result, self, other); };
      absl::StatusOr<int> done = co_await RunInExecutor(std::move(work));
      co_return done;
    }
  };
  const Gate event1;
  const Gate event2;
  auto both =
      loop_.RunSync(Gather(Local::Wrapper(1, event1, event2), Local::Wrapper(2, event2, event1)));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(std::get<0>(*both), IsOkAndHolds(1));
  EXPECT_THAT(std::get<1>(*both), IsOkAndHolds(2));
}

TEST_F(TestIOLoopFutures, SetDefaultExecutor) {
  Executor executor({.max_threads = 1});
  Executor::SetDefault(&executor);
  EXPECT_THAT(loop_.RunSync(RunInExecutor([] {})), IsOk());
  EXPECT_EQ(executor.stats().threads, 1);
  Executor::SetDefault(nullptr);
  EXPECT_NE(&Executor::Default(), &executor);
}

class TestIOLoop : public internal::ExecutorFixture {};

TEST_F(TestIOLoop, InitCloseRace) {
  const auto f = [] {
    for (int i = 0; i < 10; ++i) {
      IOLoop::Current();
      IOLoop::ClearCurrent();
    }
  };
  EXPECT_THAT(loop_.RunSync(Gather(RunInExecutor(f), RunInExecutor(f))), IsOk());
}

class TestIOLoopCurrentAsync : public internal::ExecutorFixture {};

TEST_F(TestIOLoopCurrentAsync, ClearWithoutCurrent) {
  Executor executor({.max_threads = 1});
  EXPECT_THAT(loop_.RunSync(executor.Run(IOLoop::ClearCurrent)), IsOk());
}

}  // namespace
}  // namespace squall
