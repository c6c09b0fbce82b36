// Loops in several threads use one executor, destroy coroutines at any moment and end at any moment;
// at last the executor ends while they go on. Run it with --config=tsan and --config=asan.
#include <atomic>
#include <cstdint>
#include <iostream>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

struct Counts {
  std::atomic<int> done{0};
  std::atomic<int> refused{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> alive{0};
};

// What work holds and returns.
class Counted {
 public:
  explicit Counted(Counts* counts) : counts_(counts) { ++counts_->alive; }
  Counted(const Counted& other) : Counted(other.counts_) {}
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --counts_->alive; }

 private:
  Counts* const counts_;
};

// Some work spins until it is asked to stop, or for a while.
Task<> RunOnce(std::shared_ptr<Executor> executor, uint32_t kind, Counts* counts) {
  absl::Status status;
  Task<absl::StatusOr<Counted>> task =
      executor->Run([kind, counted = Counted(counts)](std::stop_token stop) {
        for (uint32_t i = 0; i < kind && !stop.stop_requested(); ++i) std::this_thread::yield();
        return counted;
      });
  // The task may outlive it.
  executor.reset();
  absl::StatusOr<Counted> result = co_await std::move(task);
  switch (result.status().code()) {
    case absl::StatusCode::kOk:
      ++counts->done;
      break;
    case absl::StatusCode::kResourceExhausted:
      ++counts->refused;
      break;
    case absl::StatusCode::kCancelled:
      ++counts->cancelled;
      break;
    default:
      ADD_FAILURE() << result.status();
  }
}

Task<> Drive(std::weak_ptr<Executor> executor, uint32_t seed, int rounds, Counts* counts) {
  std::minstd_rand random(seed);
  std::list<internal::DetachedList> tasks;
  for (int i = 0; i < rounds; ++i) {
    std::shared_ptr<Executor> alive = executor.lock();
    if (alive == nullptr) break;
    tasks.emplace_back().Start(RunOnce(std::move(alive), random() % 20, counts));
    if (random() % 4 == 0) co_await Sleep(absl::ZeroDuration());
    // Some are destroyed wherever they are.
    if (random() % 3 == 0) {
      auto victim = tasks.begin();
      std::advance(victim, random() % tasks.size());
      tasks.erase(victim);
    }
    if (tasks.size() > 40) tasks.pop_front();
  }
  // Half of the loops end with tasks that wait, in them and beside them.
  if (random() % 2 == 0) co_await Sleep(absl::Hours(1));
  while (!tasks.empty()) {
    co_await Sleep(absl::ZeroDuration());
    std::erase_if(tasks, [](const internal::DetachedList& task) { return task.empty(); });
  }
}

void RunLoop(std::weak_ptr<Executor> executor, uint32_t seed, int rounds, Counts* counts) {
  IOLoop& loop = IOLoop::Current();
  loop.Spawn(Drive(std::move(executor), seed, rounds, counts));
  loop.CallLater(absl::Milliseconds(seed % 20), [&loop] { loop.Stop(); }).Detach();
  loop.Start();
  IOLoop::ClearCurrent();
}

TEST(ExecutorStressTest, LoopsCoroutinesAndExecutorsEndAtAnyMoment) {
  const uint32_t first = std::random_device()();
  for (uint32_t seed = first; seed < first + 60; ++seed) {
    SCOPED_TRACE(seed);
    std::cout << "seed " << seed << std::endl;
    std::minstd_rand random(seed);
    Counts counts;
    {
      auto executor = std::make_shared<Executor>(Executor::Options{
          .max_threads = 1 + static_cast<int>(random() % 3),
          .max_queued = random() % 30,
          .idle_timeout = absl::Microseconds(random() % 2000),
      });
      std::vector<std::thread> threads;
      for (uint32_t i = 0; i < 3; ++i) {
        threads.emplace_back(RunLoop, std::weak_ptr<Executor>(executor), random(), 400, &counts);
      }
      // In every second round it ends in the middle, here or with a loop that uses it.
      if (seed % 2 == 0) {
        std::this_thread::yield();
        executor.reset();
      }
      for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(counts.alive, 0);
  }
}

}  // namespace
}  // namespace squall
