// Work that nobody waits for any more, loops and executors that end first.
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/executor_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

using internal::Gate;
using testing::ElementsAre;
using testing::IsEmpty;

class ExecutorCancelTest : public internal::ExecutorFixture {
 protected:
  ExecutorCancelTest() { executor_.emplace(Executor::Options{.max_threads = 1}); }

  // One thread.
  std::optional<Executor> executor_;
};

TEST_F(ExecutorCancelTest, DestroyedBeforeTheWorkBegan) {
  const Gate gate;
  auto running = BeginAndWait(*executor_, gate);
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  bool ran = false;
  auto queued = Begin([this, &ran, held = std::move(held)]() mutable {
    return executor_->Run([&ran, held = std::move(held)] { ran = true; });
  });
  auto behind = Begin([this] { return executor_->Run([] {}); });
  RunBriefly();
  EXPECT_EQ(executor_->stats().queued, 2);
  queued.Destroy();
  EXPECT_EQ(executor_->stats().queued, 1);
  EXPECT_TRUE(watched.expired());
  gate.Open();
  RunUntilDone(running, behind);
  EXPECT_FALSE(ran);
}

// Also in the middle, at the beginning and at the end of the queue.
TEST_F(ExecutorCancelTest, DestroyedAnywhereInTheQueue) {
  const Gate gate;
  auto running = BeginAndWait(*executor_, gate);
  std::vector<int> order;
  std::vector<internal::Future<absl::Status>> queued;
  for (int i = 0; i < 6; ++i) {
    queued.push_back(Begin([&, i] { return executor_->Run([&order, i] { order.push_back(i); }); }));
  }
  RunBriefly();
  queued[0].Destroy();
  queued[3].Destroy();
  queued[5].Destroy();
  gate.Open();
  RunUntilDone(running, queued[1], queued[2], queued[4]);
  EXPECT_THAT(order, ElementsAre(1, 2, 4));
}

TEST_F(ExecutorCancelTest, DestroyedWhileTheWorkRunsAsksItToStop) {
  const Gate begun;
  const Gate stopped;
  auto running = Begin([&] {
    return executor_->Run([begun, stopped](std::stop_token stop) {
      std::stop_callback callback(stop, [stopped] { stopped.Open(); });
      begun.Open();
      stopped.Wait();
    });
  });
  RunBriefly();
  begun.Wait();
  running.Destroy();
  stopped.Wait();
  // The thread is free again.
  EXPECT_THAT(loop_.RunSync(executor_->Run([] {})), IsOk());
}

TEST_F(ExecutorCancelTest, WithTimeoutDoesSo) {
  const auto spin = [](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::yield();
  };
  EXPECT_THAT(loop_.RunSync(WithTimeout(absl::Milliseconds(20), executor_->Run(spin))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(loop_.RunSync(executor_->Run([] {})), IsOk());
}

TEST_F(ExecutorCancelTest, TheResultOfWorkThatNobodyWaitsForIsDropped) {
  const Gate begun;
  const Gate gate;
  auto result = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = result;
  auto running = Begin([&] {
    return executor_->Run([begun, gate, result = std::move(result)]() mutable {
      begun.Open();
      gate.Wait();
      return std::move(result);
    });
  });
  RunBriefly();
  begun.Wait();
  running.Destroy();
  EXPECT_FALSE(watched.expired());
  gate.Open();
  RunUntil([&] { return watched.expired(); });
}

TEST_F(ExecutorCancelTest, AnExceptionOfWorkThatNobodyWaitsForIsLogged) {
  LogCapture log;
  const Gate begun;
  const Gate gate;
  auto running = Begin([&] {
    return executor_->Run([begun, gate] {
      begun.Open();
      gate.Wait();
      throw std::runtime_error("boom");
    });
  });
  RunBriefly();
  begun.Wait();
  running.Destroy();
  EXPECT_THAT(log.messages(), IsEmpty());
  gate.Open();
  EXPECT_THAT(loop_.RunSync(executor_->Run([] {})), IsOk());
  EXPECT_THAT(log.messages(), ElementsAre("E Exception in the work of an executor that nobody "
                                          "waits for any more: boom"));
}

// Lets `executor` finish all that it has and destroys it, while the loop does not run: all results
// are under way then.
void Finish(std::optional<Executor>& executor, Gate gate) {
  gate.Open();
  while (executor->stats().running + executor->stats().queued > 0) std::this_thread::yield();
  executor.reset();
}

TEST_F(ExecutorCancelTest, DestroyedWhenTheResultIsUnderWay) {
  const Gate gate;
  auto result = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = result;
  auto running = BeginAndWait(*executor_, gate);
  auto done = Begin([&] {
    return executor_->Run([result = std::move(result)]() mutable { return std::move(result); });
  });
  RunBriefly();
  Finish(executor_, gate);
  done.Destroy();
  RunUntilDone(running);
  RunUntil([&] { return watched.expired(); });
}

// Two results that the loop takes up together; the first that is resumed destroys the second.
TEST_F(ExecutorCancelTest, DestroyedByOneThatIsResumedBeforeIt) {
  const Gate gate;
  auto blocked = BeginAndWait(*executor_, gate);
  std::optional<internal::Future<absl::Status>> second;
  struct Local {
    static Task<absl::Status> DestroyOther(Executor* executor,
                                           std::optional<internal::Future<absl::Status>>* other) {
      absl::Status done = co_await executor->Run([] {});
      other->reset();
      co_return done;
    }
  };
  auto first = Begin([&] { return Local::DestroyOther(&*executor_, &second); });
  second.emplace([&] { return executor_->Run([] {}); });
  RunBriefly();
  Finish(executor_, gate);
  RunUntilDone(blocked, first);
  EXPECT_FALSE(second.has_value());
}

TEST_F(ExecutorCancelTest, TheLoopEndsWhileWorkRuns) {
  const Gate begun;
  const Gate gate;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  std::thread([&] {
    IOLoop& loop = IOLoop::Current();
    struct Local {
      static Task<> Wait(Executor* executor, Gate begun, Gate gate, std::shared_ptr<int> held) {
        auto work = [begun, gate, held = std::move(held)] {
          begun.Open();
          gate.Wait();
        };
        const absl::Status done = co_await executor->Run(std::move(work));
        ADD_FAILURE() << done;
      }
    };
    loop.Spawn(Local::Wait(&*executor_, begun, gate, std::move(held)));
    loop.AddCallback([&loop] { loop.AddCallback([&loop] { loop.Stop(); }); });
    loop.Start();
    begun.Wait();
  }).join();
  gate.Open();
  EXPECT_THAT(loop_.RunSync(executor_->Run([] {})), IsOk());
  RunUntil([&] { return watched.expired(); });
}

// The coroutine is not the loop's: it outlives it, and is never resumed.
TEST_F(ExecutorCancelTest, TheLoopEndsBeforeTheCoroutine) {
  const Gate gate;
  auto running = BeginAndWait(*executor_, gate);
  auto queued = Begin([this] { return executor_->Run([] {}); });
  RunBriefly();
  IOLoop::ClearCurrent();
  Finish(executor_, gate);
  EXPECT_FALSE(running.done());
  EXPECT_FALSE(queued.done());
  // The thread's next loop has nothing to do with them.
  Executor other;
  EXPECT_THAT(IOLoop::Current().RunSync(other.Run([] { return 42; })), IsOkAndHolds(42));
  EXPECT_FALSE(running.done());
}

TEST_F(ExecutorCancelTest, TheLoopEndsWithResultsUnderWay) {
  const Gate gate;
  auto running = BeginAndWait(*executor_, gate);
  Finish(executor_, gate);
  IOLoop::ClearCurrent();
  EXPECT_FALSE(running.done());
}

TEST_F(ExecutorCancelTest, TheExecutorEndsFirst) {
  const Gate begun;
  bool asked = false;
  auto running = Begin([&] {
    return executor_->Run([begun, &asked](std::stop_token stop) {
      const Gate stopped;
      std::stop_callback callback(stop, [stopped] { stopped.Open(); });
      begun.Open();
      stopped.Wait();
      asked = true;
      return 42;
    });
  });
  bool ran = false;
  auto queued = Begin([&] { return executor_->Run([&ran] { ran = true; }); });
  RunBriefly();
  begun.Wait();
  Task<absl::Status> not_begun = executor_->Run([&ran] { ran = true; });
  executor_.reset();
  EXPECT_TRUE(asked);
  RunUntilDone(running, queued);
  EXPECT_THAT(running.result(), IsOkAndHolds(42));
  const auto gone = StatusIs(absl::StatusCode::kCancelled,
                             "Executor::Run: the executor was destroyed before the work began");
  EXPECT_THAT(queued.result(), gone);
  EXPECT_THAT(loop_.RunSync(std::move(not_begun)), gone);
  EXPECT_FALSE(ran);
}

TEST_F(ExecutorCancelTest, TheExecutorEndsWithThreadsThatAreIdle) {
  for (int i = 0; i < 20; ++i) {
    Executor executor({.max_threads = 3});
    const Gate gate;
    auto first = BeginAndWait(executor, gate);
    auto second = BeginAndWait(executor, gate);
    gate.Open();
    RunUntilDone(first, second);
  }
}

void DestroyInItsOwnThread() {
  auto* const executor = new Executor({.name = "mine"});
  (void)IOLoop::Current().RunSync(executor->Run([executor] { delete executor; }));
}

TEST_F(ExecutorCancelTest, AnExecutorDestroyedInItsOwnThreadDies) {
  EXPECT_DEATH(DestroyInItsOwnThread(),
               "executor 'mine' was destroyed in one of its threads, for which it would wait");
}

}  // namespace
}  // namespace squall
