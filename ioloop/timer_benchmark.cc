// bazel run --config=opt //ioloop:timer_benchmark
//
// Timers of a loop beside `range` others that wait: with the delay that all have, as those of a
// server, and with delays at random.
#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "squall/base/clock.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace {

enum class Delays { kOne, kRandom };

class DelaySource {
 public:
  explicit DelaySource(Delays delays) : delays_(delays) {}
  absl::Duration Next() {
    if (delays_ == Delays::kOne) return absl::Seconds(75);
    return absl::Seconds(60) + absl::Microseconds(random_() % 60'000'000);
  }

 private:
  const Delays delays_;
  std::minstd_rand random_;
};

std::vector<Timeout> Wait(int64_t count, DelaySource& delays) {
  std::vector<Timeout> timers;
  for (int64_t i = 0; i < count; ++i) {
    timers.push_back(IOLoop::Current().CallLater(delays.Next(), [] {}));
  }
  return timers;
}

template <Delays delays>
void BM_ArmAndCancel(benchmark::State& state) {
  DelaySource source(delays);
  const std::vector<Timeout> others = Wait(state.range(0), source);
  for (auto _ : state) {
    Timeout timer = IOLoop::Current().CallLater(source.Next(), [] {});
    benchmark::DoNotOptimize(timer);
  }
}
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Delays::kOne)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Delays::kRandom)
    ->Arg(1)
    ->Arg(1000)
    ->Arg(100'000)
    ->Arg(1'000'000);

// Arms `range` timers that are due at once, in the order of their deadlines or in none, and lets the
// loop call them.
template <Delays delays>
void BM_ArmAndFire(benchmark::State& state) {
  IOLoop& loop = IOLoop::Current();
  std::minstd_rand random;
  const int64_t count = state.range(0);
  std::vector<Timeout> timers(count);
  const MonotonicTime past = Clock::Real().Now() - absl::Seconds(1);
  while (state.KeepRunningBatch(count)) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t order = delays == Delays::kOne ? i : static_cast<int64_t>(random() % count);
      timers[i] = loop.CallAt(past + absl::Nanoseconds(order), [] {});
    }
    loop.AddCallback([&loop] { loop.Stop(); });
    loop.Start();
  }
}
BENCHMARK_TEMPLATE(BM_ArmAndFire, Delays::kOne)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Delays::kRandom)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
