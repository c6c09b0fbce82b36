// Those tests of Tornado's gen_test.py that are about several coroutines and about timeouts, each
// under its name there. What squall adds is in gather_test.cc and with_timeout_test.cc.
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/future_fixture.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;
using testing::SizeIs;

constexpr absl::Duration kShort = absl::Milliseconds(10);

// Tornado's gen.moment.
Task<> Moment() { co_await Sleep(absl::ZeroDuration()); }

Task<int> AddOneAsync(int x) {
  co_await Moment();
  co_return x + 1;
}

Task<std::string> Delay(int iterations, std::string result) {
  for (int i = 0; i < iterations; ++i) co_await Moment();
  co_return result;
}

Task<int> AsyncException(std::string what) {
  co_await Moment();
  throw std::runtime_error(what);
}

class GenBasicTest : public internal::FutureFixture {};

TEST_F(GenBasicTest, Multi) {
  std::vector<Task<int>> tasks;
  tasks.push_back(AddOneAsync(1));
  tasks.push_back(AddOneAsync(2));
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks))), IsOkAndHolds(ElementsAre(2, 3)));
}

TEST_F(GenBasicTest, MultiDict) {
  EXPECT_THAT(loop_.RunSync(Gather(AddOneAsync(1), Delay(0, "bar"))),
              IsOkAndHolds(FieldsAre(2, "bar")));
}

TEST_F(GenBasicTest, MultiDelayed) {
  std::vector<Task<std::string>> tasks;
  tasks.push_back(Delay(3, "v1"));
  tasks.push_back(Delay(1, "v2"));
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks))), IsOkAndHolds(ElementsAre("v1", "v2")));
}

TEST_F(GenBasicTest, MultiDictDelayed) {
  EXPECT_THAT(loop_.RunSync(Gather(Delay(3, "v1"), Delay(1, "v2"))),
              IsOkAndHolds(FieldsAre("v1", "v2")));
}

TEST_F(GenBasicTest, MultiPerformance) {
  // In squall's measure: linear, so ten times Tornado's 2,000.
  std::vector<Task<>> tasks;
  for (int i = 0; i < 20'000; ++i) tasks.push_back(Moment());
  EXPECT_THAT(loop_.RunSync(Gather(std::move(tasks)), absl::Seconds(20)), IsOk());
}

TEST_F(GenBasicTest, MultiEmpty) {
  EXPECT_THAT(loop_.RunSync(Gather(std::vector<Task<int>>())), IsOkAndHolds(SizeIs(0)));
  EXPECT_THAT(loop_.RunSync(Gather(std::vector<Task<>>())), IsOk());
  EXPECT_THAT(loop_.RunSync(Gather()), IsOkAndHolds(std::tuple<>()));
}

TEST_F(GenBasicTest, MultiExceptions) {
  LogCapture log;
  std::optional<std::string> caught;
  try {
    (void)loop_.RunSync(Gather(AsyncException("error 1"), AsyncException("error 2")));
  } catch (const std::runtime_error& e) {
    caught = e.what();
  }
  EXPECT_EQ(caught, "error 1");
  EXPECT_THAT(log.messages(),
              ElementsAre("E Exception in a task that nobody waits for any more: error 2"));

  // With only one exception, no error is logged.
  EXPECT_THROW((void)loop_.RunSync(Gather(AsyncException("error 1"), AddOneAsync(2))),
               std::runtime_error);
  EXPECT_THAT(log.messages(), SizeIs(1));
}

class GenCoroutineTest : public internal::FutureFixture {};

Task<int> FortyTwo() { co_return 42; }

TEST_F(GenCoroutineTest, AsyncAwaitMixedMultiNativeFuture) {
  EXPECT_THAT(loop_.RunSync(Gather(FortyTwo(), AddOneAsync(42))), IsOkAndHolds(FieldsAre(42, 43)));
}

TEST_F(GenCoroutineTest, AsyncWithTimeout) {
  EXPECT_THAT(loop_.RunSync(WithTimeout(absl::Hours(1), FortyTwo())), IsOkAndHolds(42));
}

Task<> Immediate() { co_return; }

Task<> CallFiveTimes(char name, Task<> (*yieldable)(), std::string* calls) {
  for (int i = 0; i < 5; ++i) {
    *calls += name;
    co_await yieldable();
  }
}

TEST_F(GenCoroutineTest, Moment) {
  std::string calls;
  EXPECT_THAT(loop_.RunSync(Gather(CallFiveTimes('a', Immediate, &calls),
                                   CallFiveTimes('b', Immediate, &calls))),
              IsOk());
  EXPECT_EQ(calls, "aaaaabbbbb");

  calls.clear();
  EXPECT_THAT(
      loop_.RunSync(Gather(CallFiveTimes('a', Moment, &calls), CallFiveTimes('b', Moment, &calls))),
      IsOk());
  EXPECT_EQ(calls, "ababababab");

  calls.clear();
  EXPECT_THAT(loop_.RunSync(Gather(CallFiveTimes('a', Moment, &calls),
                                   CallFiveTimes('b', Immediate, &calls))),
              IsOk());
  EXPECT_EQ(calls, "abbbbbaaaa");
}

TEST_F(GenCoroutineTest, AsyncioGather) {
  EXPECT_THAT(loop_.RunSync(Gather(AddOneAsync(0), AddOneAsync(0))), IsOkAndHolds(FieldsAre(1, 1)));
}

class WithTimeoutTest : public internal::FutureFixture {
 protected:
  // A future that somebody resolves: the next item of a queue.
  static Task<std::string> GetFrom(Queue<std::string>* queue) {
    absl::StatusOr<std::string> item = co_await queue->Get();
    if (*item == "error") throw std::runtime_error("error");
    co_return *std::move(item);
  }

  Queue<std::string> future_;
};

TEST_F(WithTimeoutTest, Timeout) {
  EXPECT_THAT(loop_.RunSync(WithTimeout(kShort, GetFrom(&future_))),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "WithTimeout: the task was not done after 10ms"));
}

TEST_F(WithTimeoutTest, CompletesBeforeTimeout) {
  loop_.CallLater(kShort, [this] { EXPECT_THAT(future_.PutNowait("asdf"), IsOk()); }).Detach();
  EXPECT_THAT(loop_.RunSync(WithTimeout(absl::Hours(1), GetFrom(&future_))), IsOkAndHolds("asdf"));
}

TEST_F(WithTimeoutTest, FailsBeforeTimeout) {
  loop_.CallLater(kShort, [this] { EXPECT_THAT(future_.PutNowait("error"), IsOk()); }).Detach();
  EXPECT_THROW((void)loop_.RunSync(WithTimeout(absl::Hours(1), GetFrom(&future_))),
               std::runtime_error);
}

TEST_F(WithTimeoutTest, AlreadyResolved) {
  EXPECT_THAT(future_.PutNowait("asdf"), IsOk());
  EXPECT_THAT(loop_.RunSync(WithTimeout(absl::Hours(1), GetFrom(&future_))), IsOkAndHolds("asdf"));
}

TEST_F(WithTimeoutTest, TimeoutConcurrentFuture) {
  std::promise<void> promise;
  {
    Executor executor({.max_threads = 1});
    EXPECT_THAT(loop_.RunSync(WithTimeout(
                    absl::ZeroDuration(),
                    executor.Run([future = promise.get_future()]() mutable { future.wait(); }))),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    promise.set_value();
  }
}

// Work is submitted when it is awaited, so what is there before WithTimeout is its result.
TEST_F(WithTimeoutTest, CompletedConcurrentFuture) {
  Executor executor({.max_threads = 1});
  std::promise<int> promise;
  EXPECT_THAT(loop_.RunSync(executor.Run([&promise] { promise.set_value(42); })), IsOk());
  EXPECT_THAT(loop_.RunSync(WithTimeout(
                  absl::Hours(1), executor.Run([&promise] { return promise.get_future().get(); }))),
              IsOkAndHolds(42));
}

TEST_F(WithTimeoutTest, NormalConcurrentFuture) {
  Executor executor({.max_threads = 1});
  std::promise<int> promise;
  loop_.CallLater(kShort, [&promise] { promise.set_value(42); }).Detach();
  EXPECT_THAT(loop_.RunSync(WithTimeout(
                  absl::Hours(1), executor.Run([&promise] { return promise.get_future().get(); }))),
              IsOkAndHolds(42));
}

class RunnerGCTest : public internal::FutureFixture {};

struct CountsDestruction {
  ~CountsDestruction() { ++*count; }
  int* count;
};

Task<> Infinite(int* wakeups, int* destroyed) {
  CountsDestruction counts{destroyed};
  while (true) {
    co_await Sleep(absl::Milliseconds(1));
    ++*wakeups;
  }
}

TEST_F(RunnerGCTest, GcInfiniteCoro) {
  int wakeups = 0;
  int destroyed = 0;
  loop_.Spawn(Infinite(&wakeups, &destroyed));
  while (wakeups < 2) RunFor(kShort);
  IOLoop::ClearCurrent();
  EXPECT_EQ(destroyed, 1);
}

TEST_F(RunnerGCTest, MultiMoment) {
  EXPECT_THAT(loop_.RunSync(Gather(Moment(), Moment())),
              IsOkAndHolds(FieldsAre(std::monostate(), std::monostate())));
}

}  // namespace
}  // namespace squall
