// bazel run -c opt //ioloop:coroutine_benchmark
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "squall/base/logging.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/frame_cache.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/lock.h"
#include "squall/ioloop/queue.h"
#include "squall/ioloop/resume_queue.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

// Times of one operation each; the loop is run once for a thousand of them.
constexpr int kBatch = 1000;

template <typename... Args>
void RunBatches(benchmark::State& state, Task<> (*batch)(Args...), Args... args) {
  while (state.KeepRunningBatch(kBatch)) CHECK(IOLoop::Current().RunSync(batch(args...)).ok());
}

Task<int> One() { co_return 1; }

Task<> AwaitTasks() {
  int sum = 0;
  for (int i = 0; i < kBatch; ++i) {
    const int one = co_await One();
    sum += one;
  }
  benchmark::DoNotOptimize(sum);
}

void BM_AwaitTaskThatCompletesAtOnce(benchmark::State& state) { RunBatches(state, AwaitTasks); }
BENCHMARK(BM_AwaitTaskThatCompletesAtOnce);

// The memory of a frame, made and given back, with 64 others of its size alive; and the same by malloc.
template <bool kCached>
void BM_Frame(benchmark::State& state) {
  const size_t size = state.range(0);
  std::vector<void*> frames(64);
  const auto allocate = [size] {
    return kCached ? internal::AllocateFrame(size) : ::operator new(size);
  };
  const auto release = [size](void* frame) {
    kCached ? internal::FreeFrame(frame, size) : ::operator delete(frame);
  };
  for (void*& frame : frames) frame = allocate();
  while (state.KeepRunningBatch(static_cast<int64_t>(frames.size()))) {
    for (void*& frame : frames) {
      release(frame);
      frame = allocate();
      benchmark::DoNotOptimize(frame);
    }
  }
  for (void* frame : frames) release(frame);
}
BENCHMARK(BM_Frame<true>)->Name("BM_FrameFromCache")->Arg(56)->Arg(248)->Arg(600);
BENCHMARK(BM_Frame<false>)->Name("BM_FrameFromMalloc")->Arg(56)->Arg(248)->Arg(600);

struct ResumeSoonAwaiter {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    node.set_coroutine(awaiting);
    node.ResumeSoon();
  }
  void await_resume() const {}
  internal::ResumeNode node;
};

Task<> AwaitResumeQueue() {
  for (int i = 0; i < kBatch; ++i) co_await ResumeSoonAwaiter();
}

// A turn of the loop each, epoll_wait included.
void BM_SuspendThroughResumeQueue(benchmark::State& state) { RunBatches(state, AwaitResumeQueue); }
BENCHMARK(BM_SuspendThroughResumeQueue);

Task<> AwaitResumeQueueOnce() { co_await ResumeSoonAwaiter(); }

Task<> GatherResumeQueue() {
  std::vector<Task<>> tasks;
  tasks.reserve(kBatch);
  for (int i = 0; i < kBatch; ++i) tasks.push_back(AwaitResumeQueueOnce());
  co_await Gather(std::move(tasks));
}

// A thousand coroutines in one turn, each made, suspended and resumed once.
void BM_SuspendThroughResumeQueueTogether(benchmark::State& state) {
  RunBatches(state, GatherResumeQueue);
}
BENCHMARK(BM_SuspendThroughResumeQueueTogether);

Task<> PutAndGet(Queue<int>* queue) {
  int sum = 0;
  for (int i = 0; i < kBatch; ++i) {
    const absl::Status put = co_await queue->Put(i);
    const absl::StatusOr<int> item = co_await queue->Get();
    sum += *item;
  }
  benchmark::DoNotOptimize(sum);
}

// Nobody waits: the cost of the two calls.
void BM_QueuePutGet(benchmark::State& state) {
  Queue<int> queue;
  RunBatches(state, PutAndGet, &queue);
}
BENCHMARK(BM_QueuePutGet);

Task<> Ping(Queue<int>* to, Queue<int>* from) {
  for (int i = 0; i < kBatch; ++i) {
    const absl::Status put = co_await to->Put(i);
    const absl::StatusOr<int> item = co_await from->Get();
    CHECK_EQ(*item, i);
  }
}

Task<> Pong(Queue<int>* from, Queue<int>* to) {
  while (true) {
    const absl::StatusOr<int> item = co_await from->Get();
    if (!item.ok()) co_return;
    const absl::Status put = co_await to->Put(*item);
  }
}

// There and back: two suspensions, in two turns of the loop.
void BM_QueuePingPong(benchmark::State& state) {
  {
    Queue<int> there;
    Queue<int> back;
    IOLoop::Current().Spawn(Pong(&there, &back));
    RunBatches(state, Ping, &there, &back);
  }
  IOLoop::ClearCurrent();
}
BENCHMARK(BM_QueuePingPong);

Task<> AcquireLock(Lock* lock) {
  for (int i = 0; i < kBatch; ++i) {
    const absl::StatusOr<Lock::Guard> guard = co_await lock->Acquire();
    benchmark::DoNotOptimize(guard);
  }
}

void BM_LockAcquireUncontended(benchmark::State& state) {
  Lock lock;
  RunBatches(state, AcquireLock, &lock);
}
BENCHMARK(BM_LockAcquireUncontended);

Task<> WaitForSetEvent(Event* event) {
  for (int i = 0; i < kBatch; ++i) {
    const absl::Status set = co_await event->Wait(absl::Seconds(1));
    benchmark::DoNotOptimize(set);
  }
}

void BM_EventWaitThatIsSet(benchmark::State& state) {
  Event event;
  event.Set();
  RunBatches(state, WaitForSetEvent, &event);
}
BENCHMARK(BM_EventWaitThatIsSet);

Task<> GatherTen() {
  for (int i = 0; i < kBatch; ++i) {
    std::vector<Task<int>> tasks;
    tasks.reserve(10);
    for (int n = 0; n < 10; ++n) tasks.push_back(One());
    const std::vector<int> results = co_await Gather(std::move(tasks));
    benchmark::DoNotOptimize(results.data());
  }
}

// Ten tasks that complete at once.
void BM_GatherOfTen(benchmark::State& state) { RunBatches(state, GatherTen); }
BENCHMARK(BM_GatherOfTen);

Task<> GatherTenSuspended() {
  for (int i = 0; i < kBatch; ++i) {
    std::vector<Task<>> tasks;
    tasks.reserve(10);
    for (int n = 0; n < 10; ++n) tasks.push_back(AwaitResumeQueueOnce());
    co_await Gather(std::move(tasks));
  }
}

// Ten tasks that suspend once; two turns of the loop.
void BM_GatherOfTenThatSuspend(benchmark::State& state) { RunBatches(state, GatherTenSuspended); }
BENCHMARK(BM_GatherOfTenThatSuspend);

Task<> TimeOne() {
  for (int i = 0; i < kBatch; ++i) {
    const absl::StatusOr<int> one = co_await WithTimeout(absl::Seconds(75), One());
    benchmark::DoNotOptimize(one);
  }
}

void BM_WithTimeoutOfATaskThatCompletesAtOnce(benchmark::State& state) {
  RunBatches(state, TimeOne);
}
BENCHMARK(BM_WithTimeoutOfATaskThatCompletesAtOnce);

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
