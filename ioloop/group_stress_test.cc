// Trees of Gather, Race, WithTimeout and WithStop at random, over tasks that complete at once,
// suspend, throw, resume each other inside calls of their own, and are destroyed at any point, at
// last with their loop. Run it with --config=asan; each seed is printed before it is used, so the
// last one is the one that failed.
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/group_fixture.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_stop.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

using internal::Tracked;

// Coroutines that are suspended until somebody resumes them directly.
class Parking {
 public:
  class Awaiter {
   public:
    explicit Awaiter(Parking* parking) : parking_(parking) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() { std::erase(parking_->parked_, this); }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) {
      awaiting_ = awaiting;
      parking_->parked_.push_back(this);
    }
    void await_resume() const {}

   private:
    friend class Parking;
    Parking* const parking_;
    std::coroutine_handle<> awaiting_;
  };

  Awaiter Wait() { return Awaiter(this); }
  // Resumes the one that came last, here.
  void ResumeOne() {
    if (parked_.empty()) return;
    Awaiter* const awaiter = parked_.back();
    parked_.pop_back();
    awaiter->awaiting_.resume();
  }

 private:
  std::vector<Awaiter*> parked_;
};

class GroupStressTest : public internal::GroupFixture {
 protected:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }

  Task<int> Leaf(int kind, int turns) {
    const Tracked tracked(&alive_);
    switch (kind) {
      case 0:
        break;
      case 1:
        for (int i = 0; i < turns; ++i) co_await Sleep(absl::ZeroDuration());
        break;
      case 2:
        (void)co_await events_[turns].Wait();
        break;
      case 3:
        (void)co_await events_[turns].Wait();
        throw std::runtime_error("late");
      case 4:
        throw std::runtime_error("early");
      case 5:
        co_await parking_.Wait();
        break;
      case 6:
        co_await parking_.Wait();
        throw std::runtime_error("parked");
      case 7:
        (void)co_await events_[turns].Wait();
        parking_.ResumeOne();  // Any of them, a sibling maybe.
        co_await Sleep(absl::ZeroDuration());
        break;
      case 8:
        stops_[turns % 2].request_stop();
        break;
      default:
        (void)co_await events_[-1].Wait();  // For ever.
    }
    co_return 1;
  }

  Task<int> GatherThree(Task<int> a, Task<int> b, Task<int> c) {
    const Tracked tracked(&alive_);
    const std::tuple<int, int, int> results =
        co_await Gather(std::move(a), std::move(b), std::move(c));
    co_return std::get<0>(results) + std::get<1>(results) + std::get<2>(results);
  }
  Task<int> GatherMany(std::vector<Task<int>> tasks) {
    const size_t size = tasks.size();
    const std::vector<int> results = co_await Gather(std::move(tasks));
    EXPECT_EQ(results.size(), size);
    co_return static_cast<int>(size);
  }
  Task<int> RaceTwo(Task<int> a, Task<int> b) {
    const Tracked tracked(&alive_);
    const std::variant<int, int> winner = co_await Race(std::move(a), std::move(b));
    co_return static_cast<int>(winner.index());
  }
  Task<int> Time(absl::Duration timeout, Task<int> task) {
    const absl::StatusOr<int> result = co_await WithTimeout(timeout, std::move(task));
    co_return result.value_or(0);
  }
  Task<int> Stop(std::stop_token stop, Task<int> task) {
    const absl::StatusOr<int> result = co_await WithStop(std::move(stop), std::move(task));
    co_return result.value_or(0);
  }

  Task<int> Tree(int depth) {
    if (depth == 0 || Below(8) == 0) return Leaf(Below(10), Below(4));
    switch (Below(5)) {
      case 0:
        return GatherThree(Tree(depth - 1), Tree(depth - 1), Tree(depth - 1));
      case 1: {
        std::vector<Task<int>> tasks;
        for (int n = Below(4); n > 0; --n) tasks.push_back(Tree(depth - 1));
        return GatherMany(std::move(tasks));
      }
      case 2:
        return RaceTwo(Tree(depth - 1), Tree(depth - 1));
      case 3:
        return Time(absl::Microseconds(Below(300)), Tree(depth - 1));
      default:
        return Stop(stops_[Below(2)].get_token(), Tree(depth - 1));
    }
  }

  Task<> Run(Task<int> tree) {
    try {
      const int result = co_await std::move(tree);
      EXPECT_GE(result, 0);
    } catch (const std::runtime_error&) {
      ++exceptions_;
    }
    ++done_;
  }

  std::minstd_rand random_;
  std::stop_source stops_[2];
  Parking parking_;
  int exceptions_ = 0;
  int done_ = 0;
};

TEST_F(GroupStressTest, Trees) {
  LogCapture log;  // Of exceptions that nobody waits for.
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::cout << "seed " << seed << std::endl;
    random_.seed(seed);
    std::vector<std::unique_ptr<internal::DetachedList>> tasks;
    for (int step = 0; step < 100; ++step) {
      switch (Below(8)) {
        case 0:
          tasks.push_back(std::make_unique<internal::DetachedList>());
          tasks.back()->Start(Run(Tree(3)));
          break;
        case 1:
          IOLoop::Current().Spawn(Run(Tree(3)));
          break;
        case 2:
          if (!tasks.empty()) tasks.erase(tasks.begin() + Below(static_cast<int>(tasks.size())));
          break;
        case 3:
          events_[Below(4)].Set();
          break;
        case 4:
          events_[Below(4)].Clear();
          break;
        case 5:
          parking_.ResumeOne();
          break;
        default: {
          if (Below(10) == 0) stops_[Below(2)].request_stop();
          for (std::stop_source& stop : stops_) {
            if (stop.stop_requested() && Below(2) == 0) stop = std::stop_source();
          }
          IOLoop& loop = IOLoop::Current();
          loop.AddCallback([&loop] { loop.Stop(); });
          loop.Start();
        }
      }
    }
    if (Below(2) == 0) tasks.clear();
    IOLoop::ClearCurrent();
    tasks.clear();
    ASSERT_EQ(alive_, 0);
  }
  // It is not all waiting.
  EXPECT_GT(done_, 3000);
  EXPECT_GT(exceptions_, 300);
}

}  // namespace
}  // namespace squall
