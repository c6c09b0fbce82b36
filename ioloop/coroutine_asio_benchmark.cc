// The peer of coroutine_benchmark.cc, in the same program and by the same batches: asio::awaitable.
#include <chrono>
#include <exception>

#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/error_code.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"
#include "benchmark/benchmark.h"

namespace squall {
namespace {

constexpr int kBatch = 1000;

// A context that has a reactor, as each program with a socket or a timer has: without it run() never
// looks at epoll.
class Context {
 public:
  Context() : timer_(context_, std::chrono::hours(1)) {
    timer_.async_wait([](asio::error_code) {});
  }

  // Runs until `count` tasks made by `make` are done.
  void Run(int count, asio::awaitable<void> (*make)()) {
    int running = count;
    for (int i = 0; i < count; ++i) {
      asio::co_spawn(context_, make(), [&](std::exception_ptr) {
        if (--running == 0) context_.stop();
      });
    }
    context_.run();
    context_.restart();
  }

 private:
  asio::io_context context_{/*concurrency_hint=*/1};
  asio::steady_timer timer_;
};

asio::awaitable<int> One() { co_return 1; }

asio::awaitable<void> AwaitTasks() {
  int sum = 0;
  for (int i = 0; i < kBatch; ++i) {
    const int one = co_await One();
    sum += one;
  }
  benchmark::DoNotOptimize(sum);
}

void BM_AsioAwaitTaskThatCompletesAtOnce(benchmark::State& state) {
  Context context;
  while (state.KeepRunningBatch(kBatch)) context.Run(1, AwaitTasks);
}
BENCHMARK(BM_AsioAwaitTaskThatCompletesAtOnce);

asio::awaitable<void> PostOnce() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

asio::awaitable<void> PostOften() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (int i = 0; i < kBatch; ++i) co_await asio::post(executor, asio::use_awaitable);
}

// A turn of the scheduler each, epoll_wait included.
void BM_AsioSuspendThroughPost(benchmark::State& state) {
  Context context;
  while (state.KeepRunningBatch(kBatch)) context.Run(1, PostOften);
}
BENCHMARK(BM_AsioSuspendThroughPost);

// A thousand coroutines, each made, suspended and resumed once.
void BM_AsioSuspendThroughPostTogether(benchmark::State& state) {
  Context context;
  while (state.KeepRunningBatch(kBatch)) context.Run(kBatch, PostOnce);
}
BENCHMARK(BM_AsioSuspendThroughPostTogether);

}  // namespace
}  // namespace squall
