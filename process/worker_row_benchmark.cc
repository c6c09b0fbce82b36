// bazel run -c opt //process:worker_row_benchmark
//
// What the scoreboard costs: a worker per request, the master per change, a reader per look.
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "squall/base/clock.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/process/latency_histogram.h"
#include "squall/process/scoreboard.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_sample.h"

namespace squall {
namespace {

SlotView ReadySlot(int slot) {
  SlotView view;
  view.slot = view.row = slot;
  view.state = WorkerState::kReady;
  view.incarnation = 1;
  view.pid = 1000 + slot;
  return view;
}

// A scoreboard full of workers, each at a request.
Scoreboard Full(int rows) {
  Scoreboard board = Scoreboard::Create(rows).value();
  for (int i = 0; i < rows; ++i) {
    board.PublishSlot(ReadySlot(i));
    board.PublishSample(i, {.at = MonotonicTime::FromNanos(1)});
    WorkerRow& row = board.worker_row(i);
    row.Enter({.process = {i, 1}, .pid = 1000 + i});
    row.Heartbeat(MonotonicTime::FromNanos(1));
    row.BeginRequest("GET", "/report?year=2026", MonotonicTime::FromNanos(1));
  }
  return board;
}

// All that WorkerStats does for a request with a target of `range` octets; the two times are given.
void BM_Request(benchmark::State& state) {
  Scoreboard board = Full(1);
  WorkerRow& row = board.worker_row(0);
  const std::string target(static_cast<size_t>(state.range(0)), 'x');
  int64_t now = 1'000'000'000;
  for (auto _ : state) {
    now += 1'000;
    const MonotonicTime begun = MonotonicTime::FromNanos(now);
    row.Add(WorkerCounter::kBytesIn, 100);
    row.Add(WorkerCounter::kRequests);
    row.BeginRequest("GET", target, begun);
    row.EndRequest();
    row.CountResponse(200);
    row.Add(WorkerCounter::kBytesOut, 200);
    row.RecordLatency(begun, MonotonicTime::FromNanos(now + (now * 7919 & 0xfffff)));
  }
}
BENCHMARK(BM_Request)->Arg(1)->Arg(16)->Arg(64)->Arg(127);

void BM_RecordLatency(benchmark::State& state) {
  Scoreboard board = Full(1);
  WorkerRow& row = board.worker_row(0);
  int64_t now = 1'000'000'000;
  for (auto _ : state) {
    now += 1'000;
    row.RecordLatency(MonotonicTime::FromNanos(now),
                      MonotonicTime::FromNanos(now + (now * 7919 & 0xfffff)));
  }
}
BENCHMARK(BM_RecordLatency);

// A look at the clock, of which a request takes two, for comparison.
void BM_Clock(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Clock::Real().Now());
}
BENCHMARK(BM_Clock);

void BM_LoopTurn(benchmark::State& state) {
  Scoreboard board = Full(1);
  LoopMeter& meter = *board.worker_row(0).loop_meter();
  int64_t nanos = 1;
  for (auto _ : state) {
    meter.EndTurn(nanos++ & 0xff);
    meter.BeginWait();
    meter.EndWait();
  }
}
BENCHMARK(BM_LoopTurn);

void BM_Heartbeat(benchmark::State& state) {
  Scoreboard board = Full(1);
  int64_t now = 1'000'000'000;
  for (auto _ : state) board.worker_row(0).Heartbeat(MonotonicTime::FromNanos(now += 1'000'000));
}
BENCHMARK(BM_Heartbeat);

void BM_PublishPool(benchmark::State& state) {
  Scoreboard board = Full(1);
  PoolView view;
  for (auto _ : state) {
    ++view.generation;
    board.PublishPool(view);
  }
}
BENCHMARK(BM_PublishPool);

void BM_PublishSlot(benchmark::State& state) {
  Scoreboard board = Full(1);
  SlotView view = ReadySlot(0);
  for (auto _ : state) {
    ++view.restarts;
    board.PublishSlot(view);
  }
}
BENCHMARK(BM_PublishSlot);

void BM_PublishSample(benchmark::State& state) {
  Scoreboard board = Full(1);
  WorkerSample sample;
  for (auto _ : state) {
    ++sample.rss_bytes;
    board.PublishSample(0, sample);
  }
}
BENCHMARK(BM_PublishSample);

void BM_FoldWorker(benchmark::State& state) {
  Scoreboard board = Full(1);
  for (auto _ : state) board.FoldWorker(0);
}
BENCHMARK(BM_FoldWorker);

// `range` workers.
void BM_Read(benchmark::State& state) {
  const Scoreboard board = Full(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(board.Read(MonotonicTime::FromNanos(2)));
}
BENCHMARK(BM_Read)->Arg(1)->Arg(64)->Arg(1024);

void BM_Quantiles(benchmark::State& state) {
  LatencyHistogram latency;
  for (int i = 0; i < 10'000; ++i) latency.Record(absl::Microseconds(i * 37));
  for (auto _ : state) {
    for (const double q : {0.5, 0.9, 0.99}) benchmark::DoNotOptimize(latency.Quantile(q));
    benchmark::DoNotOptimize(latency.max());
  }
}
BENCHMARK(BM_Quantiles);

}  // namespace
}  // namespace squall

BENCHMARK_MAIN();
