// bazel run --config=opt //ioloop:timer_benchmark
//
// Timers of squall, libevent and libuv: with the delay that all have, as those of a server, and with
// delays at random. libevent keeps a list for a delay that is announced ("Common"). squall looks at
// the clock for each timer, libevent at the coarse one, of 4 ms; libuv counts milliseconds from the
// beginning of the turn.
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/time.h>
#include <uv.h>

#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
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

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000);
}
void ManySizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1000)->Arg(100'000)->Arg(1'000'000);
}

// What the loops have in common: a timer is armed and cancelled as often as one likes, and Fire() is
// one turn, with its look at the descriptors. A loop is destroyed before its timers. Each is used as
// its users do: libevent and libuv prepare a timer once with its callback, squall gets a callback
// each time.

class Squall {
 public:
  class Timer {
   public:
    void Init(Squall&) {}
    void Arm(absl::Duration delay) {
      timeout_ = IOLoop::Current().CallLater(delay, [] {});
    }
    void Cancel() { timeout_.Cancel(); }

   private:
    Timeout timeout_;
  };

  Squall() = default;
  Squall(const Squall&) = delete;
  Squall& operator=(const Squall&) = delete;
  ~Squall() { IOLoop::ClearCurrent(); }
  void Fire() {
    IOLoop& loop = IOLoop::Current();
    loop.AddCallback([&loop] { loop.AddCallback([&loop] { loop.Stop(); }); });
    loop.Start();
  }
};

class Libevent {
 public:
  class Timer {
   public:
    void Init(Libevent& loop) {
      common_ = loop.common_;
      evtimer_assign(
          &event_, loop.base_, [](evutil_socket_t, short, void*) {}, nullptr);
    }
    void Arm(absl::Duration delay) {
      const timeval time = absl::ToTimeval(delay);
      evtimer_add(&event_, common_ != nullptr ? common_ : &time);
    }
    void Cancel() { evtimer_del(&event_); }

   private:
    const timeval* common_ = nullptr;
    event event_;
  };

  Libevent() : base_(event_base_new()) {}
  Libevent(const Libevent&) = delete;
  Libevent& operator=(const Libevent&) = delete;
  ~Libevent() { event_base_free(base_); }
  void Fire() { event_base_loop(base_, EVLOOP_NONBLOCK); }

 protected:
  event_base* const base_;
  const timeval* common_ = nullptr;
};

// With a list for the delay that all have.
class LibeventCommon : public Libevent {
 public:
  LibeventCommon() {
    const timeval time = absl::ToTimeval(DelaySource(Delays::kOne).Next());
    common_ = event_base_init_common_timeout(base_, &time);
  }
};

class Libuv {
 public:
  class Timer {
   public:
    void Init(Libuv& loop) { uv_timer_init(&loop.loop_, &timer_); }
    void Arm(absl::Duration delay) {
      uv_timer_start(
          &timer_, [](uv_timer_t*) {}, absl::ToInt64Milliseconds(delay), 0);
    }
    void Cancel() { uv_timer_stop(&timer_); }

   private:
    uv_timer_t timer_;
  };

  Libuv() { uv_loop_init(&loop_); }
  Libuv(const Libuv&) = delete;
  Libuv& operator=(const Libuv&) = delete;
  ~Libuv() {
    uv_walk(
        &loop_, [](uv_handle_t* handle, void*) { uv_close(handle, nullptr); }, nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  void Fire() { uv_run(&loop_, UV_RUN_NOWAIT); }

 private:
  uv_loop_t loop_;
};

template <typename Timer>
void ReArm(Timer& timer, DelaySource& source) {
  timer.Cancel();
  timer.Arm(source.Next());
}

template <typename Loop, Delays delays>
void BM_ArmAndCancel(benchmark::State& state) {
  std::vector<typename Loop::Timer> timers(state.range(0) + 1);
  Loop loop;
  DelaySource source(delays);
  for (auto& timer : timers) {
    timer.Init(loop);
    timer.Arm(source.Next());
  }
  // Until memory and caches are as they stay.
  for (int64_t i = 0; i < 2 * state.range(0); ++i) ReArm(timers[0], source);
  for (auto _ : state) ReArm(timers[0], source);
}
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Squall, Delays::kOne)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Libevent, Delays::kOne)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, LibeventCommon, Delays::kOne)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Libuv, Delays::kOne)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Squall, Delays::kRandom)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Libevent, Delays::kRandom)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ArmAndCancel, Libuv, Delays::kRandom)->Apply(Sizes);

// What a busy server does: each request re-arms another of `range` timers.
template <typename Loop>
void BM_ReArmAny(benchmark::State& state) {
  std::vector<typename Loop::Timer> timers(state.range(0));
  Loop loop;
  DelaySource source(Delays::kOne);
  for (auto& timer : timers) {
    timer.Init(loop);
    timer.Arm(source.Next());
  }
  std::minstd_rand random;
  for (int64_t i = 0; i < 2 * state.range(0); ++i) ReArm(timers[random() % timers.size()], source);
  for (auto _ : state) ReArm(timers[random() % timers.size()], source);
}
BENCHMARK_TEMPLATE(BM_ReArmAny, Squall)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ReArmAny, Libevent)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ReArmAny, LibeventCommon)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_ReArmAny, Libuv)->Apply(Sizes);

// Arms `range` timers and lets the loop call them in one turn, when all are due: with one delay, or
// with delays up to 20 ms at random. The time until they are due does not count.
template <typename Loop, Delays delays>
void BM_ArmAndFire(benchmark::State& state) {
  const int64_t count = state.range(0);
  std::vector<typename Loop::Timer> timers(count);
  Loop loop;
  for (auto& timer : timers) timer.Init(loop);
  std::minstd_rand random;
  while (state.KeepRunningBatch(count)) {
    for (auto& timer : timers) {
      timer.Arm(delays == Delays::kOne ? absl::ZeroDuration()
                                       : absl::Microseconds(random() % 20'000));
    }
    state.PauseTiming();
    absl::SleepFor(absl::Milliseconds(delays == Delays::kOne ? 5 : 25));
    state.ResumeTiming();
    loop.Fire();
  }
}
BENCHMARK_TEMPLATE(BM_ArmAndFire, Squall, Delays::kOne)->Apply(ManySizes);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Libevent, Delays::kOne)->Apply(ManySizes);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Libuv, Delays::kOne)->Apply(ManySizes);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Squall, Delays::kRandom)->Apply(ManySizes);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Libevent, Delays::kRandom)->Apply(ManySizes);
BENCHMARK_TEMPLATE(BM_ArmAndFire, Libuv, Delays::kRandom)->Apply(ManySizes);

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
