// bazel run -c opt //ioloop:ioloop_benchmark
#include <sys/socket.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace {

// What a server does for each request: arm a timer, cancel it, with `range` others pending.
void BM_ArmAndCancelTimer(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  std::vector<Timeout> others;
  for (int i = 0; i < state.range(0); ++i) {
    others.push_back(loop.CallLater(absl::Seconds(60 + i), [] {}));
  }
  for (auto _ : state) {
    Timeout timeout = loop.CallLater(absl::Seconds(75), [] {});
    benchmark::DoNotOptimize(timeout);
  }
}
BENCHMARK(BM_ArmAndCancelTimer)->Arg(0)->Arg(10'000);

struct Again {
  void operator()() {
    if (--*left == 0) {
      loop->Stop();
    } else {
      loop->AddCallback(Again{loop, left});
    }
  }
  IOLoop* loop;
  int64_t* left;
};

// A thousand callbacks per iteration, so that epoll_wait does not count.
void BM_Callback(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  while (state.KeepRunningBatch(1000)) {
    for (int i = 0; i < 999; ++i) loop.AddCallback([] {});
    loop.AddCallback([&loop] { loop.Stop(); });
    loop.Start();
  }
}
BENCHMARK(BM_Callback);

// One callback per iteration: the cost of a turn with nothing ready.
void BM_Iteration(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  while (state.KeepRunningBatch(1000)) {
    int64_t left = 1000;
    loop.AddCallback(Again{&loop, &left});
    loop.Start();
  }
}
BENCHMARK(BM_Iteration);

// A turn that dispatches one event, with a timer pending, as in a server. 1: with a meter.
void BM_Dispatch(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  LoopMeter meter{};
  if (state.range(0) == 1) loop.SetMeter(&meter);
  const Timeout timer = loop.CallLater(absl::Hours(1), [] {});
  int fds[2];
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  UniqueFd a(fds[0]);
  UniqueFd b(fds[1]);
  int left = 0;
  CHECK(loop.AddHandler(a.get(), IOLoop::kWrite,
                        [&](uint32_t) {
                          if (--left == 0) loop.Stop();
                        })
            .ok());
  while (state.KeepRunningBatch(1000)) {
    left = 1000;
    loop.Start();
  }
  loop.RemoveHandler(a.get());
  loop.SetMeter(nullptr);
}
BENCHMARK(BM_Dispatch)->Arg(0)->Arg(1);

Task<int> One() { co_return 1; }

Task<> AwaitMany(int64_t count, int64_t* sum) {
  for (int64_t i = 0; i < count; ++i) {
    const int one = co_await One();
    *sum += one;
  }
}

void BM_AwaitTaskThatCompletesAtOnce(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  int64_t sum = 0;
  while (state.KeepRunningBatch(1000)) CHECK(loop.RunSync(AwaitMany(1000, &sum)).ok());
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(BM_AwaitTaskThatCompletesAtOnce);

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
