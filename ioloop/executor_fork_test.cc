// An executor and fork(2). With ForkProcesses it is in //tests/integration:executor_test.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stop_token>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/executor_fixture.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace {

using internal::Gate;

// The exit status of a child that runs `action`, or 256 and the signal that killed it.
template <typename Action>
int InForkedChild(Action action) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(20);
    ::_exit(action());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

// An executor that another thread uses: it has one thread that works, and more work in its queue.
class ExecutorForkTest : public testing::Test {
 protected:
  ExecutorForkTest() {
    other_ = std::thread([this] {
      auto both = IOLoop::Current().RunSync(Gather(executor_->Run([this] {
        begun_.Open();
        gate_.Wait();
        return 1;
      }),
                                                   executor_->Run([this] {
                                                     ++queued_ran_;
                                                     return 2;
                                                   })));
      ASSERT_THAT(both, IsOk());
      EXPECT_THAT(std::get<0>(*both), IsOkAndHolds(1));
      EXPECT_THAT(std::get<1>(*both), IsOkAndHolds(2));
    });
    begun_.Wait();
    while (executor_->stats().queued != 1) std::this_thread::yield();
  }
  ~ExecutorForkTest() override { EXPECT_EQ(queued_ran_, 1); }

  // The other thread's work goes on as if there had been no child.
  void Finish() {
    gate_.Open();
    other_.join();
  }

  std::unique_ptr<Executor> executor_ =
      std::make_unique<Executor>(Executor::Options{.max_threads = 1});
  Gate begun_;
  Gate gate_;
  int queued_ran_ = 0;
  std::thread other_;
};

TEST_F(ExecutorForkTest, AChildHasThreadsOfItsOwnAndNoWorkOfItsParent) {
  EXPECT_EQ(InForkedChild([this] {
              if (executor_->stats().threads != 0 || executor_->stats().queued != 0) return 2;
              const absl::StatusOr<int> sum =
                  IOLoop::Current().RunSync(executor_->Run([] { return 40 + 2; }));
              if (!sum.ok() || *sum != 42) return 3;
              if (executor_->stats().threads != 1 || queued_ran_ != 0) return 4;
              executor_.reset();
              return 42;
            }),
            42);
  Finish();
}

TEST_F(ExecutorForkTest, AChildOfAChild) {
  EXPECT_EQ(InForkedChild([this] {
              if (!IOLoop::Current().RunSync(executor_->Run([] {})).ok()) return 2;
              IOLoop::ClearCurrent();
              return InForkedChild([this] {
                if (executor_->stats().threads != 0) return 3;
                if (!IOLoop::Current().RunSync(executor_->Run([] {})).ok()) return 4;
                executor_.reset();
                return 42;
              });
            }),
            42);
  Finish();
}

TEST_F(ExecutorForkTest, AChildMayDestroyItUnused) {
  EXPECT_EQ(InForkedChild([this] {
              executor_.reset();
              return 42;
            }),
            42);
  Finish();
}

// A coroutine that waited when its thread forked is destroyed in the child, where nobody does its
// work.
TEST(ExecutorForkOfALoopTest, AChildMayDestroyACoroutineOfItsParent) {
  Executor executor({.max_threads = 1});
  const Gate begun;
  const Gate gate;
  auto running = std::make_unique<internal::Future<absl::Status>>([&] {
    return executor.Run([begun, gate](std::stop_token) {
      begun.Open();
      gate.Wait();
    });
  });
  auto queued =
      std::make_unique<internal::Future<absl::Status>>([&] { return executor.Run([] {}); });
  IOLoop& loop = IOLoop::Current();
  loop.AddCallback([&loop] { loop.Stop(); });
  loop.Start();
  begun.Wait();
  EXPECT_EQ(InForkedChild([&] {
              running.reset();
              queued.reset();
              return 42;
            }),
            42);
  EXPECT_EQ(executor.stats().queued, 1);
  gate.Open();
  while (!running->done() || !queued->done()) {
    const Timeout turn = loop.CallLater(absl::Milliseconds(1), [&loop] { loop.Stop(); });
    loop.Start();
  }
  EXPECT_THAT(queued->result(), IsOk());
}

}  // namespace
}  // namespace squall
