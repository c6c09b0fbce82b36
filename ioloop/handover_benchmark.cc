// bazel run --config=opt //ioloop:handover_benchmark
//
// From thread to thread: callbacks for the loop of another thread, and work for an executor, beside
// libuv's uv_async_send and uv_queue_work and libevent's event_active. What those two send carries
// nothing, so for many at a time they get what everybody writes around them: a list under a mutex.
#include <event2/event.h>
#include <event2/thread.h>
#include <uv.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "squall/base/logging.h"
#include "squall/ioloop/executor.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

// What the loops have in common. Send() may be called from any thread; the function that it was
// made with is then called in the loop's.

class Squall {
 public:
  explicit Squall(std::function<void()> received)
      : loop_(&IOLoop::Current()), received_(std::move(received)) {}
  Squall(const Squall&) = delete;
  Squall& operator=(const Squall&) = delete;
  ~Squall() { IOLoop::ClearCurrent(); }
  void Send() {
    loop_->AddCallback([this] { received_(); });
  }
  void Run() { loop_->Start(); }
  void Stop() { loop_->Stop(); }

 private:
  IOLoop* const loop_;
  const std::function<void()> received_;
};

class Libuv {
 public:
  explicit Libuv(std::function<void()> received) : received_(std::move(received)) {
    uv_loop_init(&loop_);
    async_.data = this;
    uv_async_init(&loop_, &async_,
                  [](uv_async_t* async) { static_cast<Libuv*>(async->data)->received_(); });
  }
  Libuv(const Libuv&) = delete;
  Libuv& operator=(const Libuv&) = delete;
  ~Libuv() {
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  void Send() { uv_async_send(&async_); }
  void Run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void Stop() { uv_stop(&loop_); }

 private:
  uv_loop_t loop_;
  uv_async_t async_;
  const std::function<void()> received_;
};

class Libevent {
 public:
  explicit Libevent(std::function<void()> received) : received_(std::move(received)) {
    [[maybe_unused]] static const int locks = evthread_use_pthreads();
    base_ = event_base_new();
    event_ = event_new(
        base_, -1, EV_PERSIST,
        [](evutil_socket_t, short, void* self) { static_cast<Libevent*>(self)->received_(); },
        this);
  }
  Libevent(const Libevent&) = delete;
  Libevent& operator=(const Libevent&) = delete;
  ~Libevent() {
    event_free(event_);
    event_base_free(base_);
  }
  void Send() { event_active(event_, EV_READ, 0); }
  void Run() { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }
  void Stop() { event_base_loopbreak(base_); }

 private:
  event_base* base_;
  event* event_;
  const std::function<void()> received_;
};

// To a loop in another thread and back: two wake-ups.
template <typename Loop>
void BM_ThereAndBack(benchmark::State& state) {
  Loop* there = nullptr;
  int64_t left = 0;
  Loop here([&] {
    if (--left == 0) {
      here.Stop();
    } else {
      there->Send();
    }
  });
  bool ends = false;
  std::mutex mutex;
  std::condition_variable made;
  std::thread other([&] {
    Loop loop([&] {
      if (ends) {
        there->Stop();
      } else {
        here.Send();
      }
    });
    {
      std::lock_guard<std::mutex> lock(mutex);
      there = &loop;
      made.notify_one();
    }
    loop.Run();
  });
  {
    std::unique_lock<std::mutex> lock(mutex);
    made.wait(lock, [&] { return there != nullptr; });
  }
  while (state.KeepRunningBatch(1000)) {
    left = 1000;
    there->Send();
    here.Run();
  }
  ends = true;
  there->Send();
  other.join();
}
BENCHMARK_TEMPLATE(BM_ThereAndBack, Squall)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, Libuv)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, Libevent)->UseRealTime();

// A list of functions around Loop.
template <typename Loop>
class Listed {
 public:
  Listed()
      : loop_([this] {
          {
            std::lock_guard<std::mutex> lock(mutex_);
            taken_.swap(added_);
          }
          for (const std::function<void()>& function : taken_) function();
          taken_.clear();
        }) {}
  void Add(std::function<void()> function) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      added_.push_back(std::move(function));
    }
    loop_.Send();
  }
  void Run() { loop_.Run(); }
  void Stop() { loop_.Stop(); }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> added_;
  std::vector<std::function<void()>> taken_;
  Loop loop_;
};

template <>
class Listed<Squall> {
 public:
  Listed() = default;
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { IOLoop::ClearCurrent(); }
  template <typename F>
  void Add(F function) {
    loop_->AddCallback(std::move(function));
  }
  void Run() { loop_->Start(); }
  void Stop() { loop_->Stop(); }

 private:
  IOLoop* const loop_ = &IOLoop::Current();
};

// Another thread adds a thousand functions as fast as it can while the loop calls them, again and
// again; the time of each.
template <typename Loop>
void BM_AddFromAnotherThread(benchmark::State& state) {
  static constexpr int kBatch = 1000;
  Listed<Loop> loop;
  int called = 0;
  std::mutex mutex;
  std::condition_variable changed;
  enum { kIdle, kGo, kEnd } order = kIdle;
  std::thread other([&] {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&order] { return order != kIdle; });
      if (order == kEnd) return;
      order = kIdle;
      for (int i = 0; i < kBatch; ++i) {
        loop.Add([&loop, &called] {
          if (++called % kBatch == 0) loop.Stop();
        });
      }
    }
  });
  while (state.KeepRunningBatch(kBatch)) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      order = kGo;
    }
    changed.notify_one();
    loop.Run();
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    order = kEnd;
  }
  changed.notify_one();
  other.join();
}
BENCHMARK_TEMPLATE(BM_AddFromAnotherThread, Squall)->UseRealTime();
BENCHMARK_TEMPLATE(BM_AddFromAnotherThread, Libuv)->UseRealTime();
BENCHMARK_TEMPLATE(BM_AddFromAnotherThread, Libevent)->UseRealTime();

// Work that does nothing, one after the other.
Task<> RunInTurn(Executor* executor, int count) {
  for (int i = 0; i < count; ++i) {
    const absl::Status done = co_await executor->Run([] {});
    CHECK(done.ok()) << done;
  }
}

void BM_Work_Squall(benchmark::State& state) {
  Executor executor({.max_threads = 4});
  while (state.KeepRunningBatch(1000)) {
    CHECK(IOLoop::Current().RunSync(RunInTurn(&executor, 1000)).ok());
  }
}
BENCHMARK(BM_Work_Squall)->UseRealTime();

struct UvWork {
  uv_work_t work;
  int left;
};

void QueueNext(uv_loop_t* loop, UvWork* next) {
  next->work.data = next;
  uv_queue_work(
      loop, &next->work, [](uv_work_t*) {},
      [](uv_work_t* work, int) {
        auto* const done = static_cast<UvWork*>(work->data);
        if (--done->left > 0) QueueNext(work->loop, done);
      });
}

// libuv starts four threads by default, all of them at once.
void BM_Work_Libuv(benchmark::State& state) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  UvWork work;
  while (state.KeepRunningBatch(1000)) {
    work.left = 1000;
    QueueNext(&loop, &work);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
}
BENCHMARK(BM_Work_Libuv)->UseRealTime();

Task<> RunTogether(Executor* executor, int count) {
  // In a loop that runs, as elsewhere.
  co_await Sleep(absl::ZeroDuration());
  std::vector<Task<absl::Status>> tasks;
  tasks.reserve(count);
  for (int i = 0; i < count; ++i) tasks.push_back(executor->Run([] {}));
  const std::vector<absl::Status> done = co_await Gather(std::move(tasks));
  for (const absl::Status& status : done) CHECK(status.ok()) << status;
}

// A thousand at a time.
void BM_ManyWorks_Squall(benchmark::State& state) {
  Executor executor({.max_threads = 4, .max_queued = 1000});
  while (state.KeepRunningBatch(1000)) {
    CHECK(IOLoop::Current().RunSync(RunTogether(&executor, 1000)).ok());
  }
}
BENCHMARK(BM_ManyWorks_Squall)->UseRealTime();

void BM_ManyWorks_Libuv(benchmark::State& state) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::vector<UvWork> works(1000);
  while (state.KeepRunningBatch(1000)) {
    for (UvWork& work : works) {
      work.left = 1;
      QueueNext(&loop, &work);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
}
BENCHMARK(BM_ManyWorks_Libuv)->UseRealTime();

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
