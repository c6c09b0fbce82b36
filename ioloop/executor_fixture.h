// For tests of executors: work that blocks until it is let go, and a loop that runs until something
// is so.
#ifndef SQUALL_IOLOOP_EXECUTOR_FIXTURE_H_
#define SQUALL_IOLOOP_EXECUTOR_FIXTURE_H_

#include <condition_variable>
#include <memory>
#include <mutex>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/future_fixture.h"

namespace squall::internal {

// Closed at first. Copies are the same gate.
class Gate {
 public:
  void Open() const {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->open = true;
    state_->opened.notify_all();
  }
  void Wait() const {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->opened.wait(lock, [this] { return state_->open; });
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class ExecutorFixture : public FutureFixture {
 protected:
  // Runs the loop until `condition()`.
  template <typename Condition>
  void RunUntil(Condition condition) {
    const MonotonicTime deadline = Clock::Real().Now() + absl::Seconds(20);
    while (!condition() && Clock::Real().Now() < deadline) RunFor(absl::Milliseconds(1));
    EXPECT_TRUE(condition());
  }

  template <typename... Futures>
  void RunUntilDone(const Futures&... futures) {
    RunUntil([&] { return (futures.done() && ...); });
  }

  // Begins work of `executor` that waits at `gate`, and returns once it has begun.
  auto BeginAndWait(Executor& executor, Gate gate) {
    const Gate begun;
    auto blocked = Begin([&executor, begun, gate] {
      return executor.Run([begun, gate] {
        begun.Open();
        gate.Wait();
      });
    });
    RunBriefly();
    begun.Wait();
    return blocked;
  }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_EXECUTOR_FIXTURE_H_
