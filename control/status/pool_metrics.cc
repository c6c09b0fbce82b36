#include "squall/control/status/pool_metrics.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "squall/base/string_view.h"
#include "squall/control/status/pool_words.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_health.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_state.h"

namespace squall::internal {
namespace {

using enum MetricType;

// "out of memory", "BACKOFF": as a label's value.
std::string LabelValue(std::string_view name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(ToAbsl(name)), {{" ", "_"}});
}

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

absl::Duration BusyTime(const WorkerCounters& counters) {
  return absl::Nanoseconds(counters[WorkerCounter::kLoopBusyNanos]);
}

void AppendPool(const PoolSnapshot& snapshot, MetricsText& text) {
  const PoolView& pool = snapshot.pool;
  text.Family("squall_start_time_seconds", kGauge,
              "When the master started, in seconds since 1970.");
  text.Sample(UnixSeconds(snapshot.started_at));
  text.Family("squall_pool_serving", kGauge,
              "1 while at least one worker is ready and the pool is not ending.");
  text.Sample(IsServing(snapshot) ? 1 : 0);
  text.Family("squall_pool_shutting_down", kGauge, "1 from the moment the pool is to end.");
  text.Sample(pool.shutdown == ShutdownMode::kNone ? 0 : 1);
  text.Family("squall_pool_desired_workers", kGauge, "Workers that are wanted.");
  text.Sample(pool.desired);
  text.Family("squall_pool_max_workers", kGauge, "Workers that a resize may ask for.");
  text.Sample(pool.max_workers);
  text.Family("squall_pool_workers", kGauge, "Workers by state.");
  for (int i = 1; i < kNumWorkerStates; ++i) {
    const auto state = static_cast<WorkerState>(i);
    text.Sample(pool.count(state), {{"state", LabelValue(WorkerStateName(state))}});
  }
  text.Family("squall_pool_stalled_workers", kGauge,
              "Ready workers whose loop has not run for 5 seconds.");
  text.Sample(std::count_if(snapshot.workers.begin(), snapshot.workers.end(), IsStalled));
  text.Family("squall_pool_generation", kGauge, "One more with each change of what is wanted.");
  text.Sample(pool.generation);
  text.Family("squall_pool_observed_generation", kGauge, "The newest generation that was reached.");
  text.Sample(pool.observed_generation);
  text.Family("squall_pool_restart_phase", kGauge,
              "1 for the phase of the last rolling restart, 0 for the others.");
  for (const RestartPhase phase :
       {RestartPhase::kNone, RestartPhase::kRunning, RestartPhase::kRollingBack,
        RestartPhase::kSucceeded, RestartPhase::kFailed}) {
    text.Sample(pool.restart.phase == phase ? 1 : 0,
                {{"phase", LabelValue(RestartPhaseName(phase))}});
  }
  text.Family("squall_pool_restart_remaining_workers", kGauge,
              "Workers that the rolling restart still has to replace.");
  text.Sample(pool.restart.remaining);
  text.Family("squall_pool_worker_deaths_total", kCounter,
              "Workers that ended without being asked to, by cause; each is a restart.");
  for (int i = 1; i < kNumDeathCauses; ++i) {
    text.Sample(pool.deaths[static_cast<size_t>(i)],
                {{"cause", LabelValue(DeathCauseName(static_cast<DeathCause>(i)))}});
  }
  text.Family("squall_pool_spawn_failures_total", kCounter, "Forks that the kernel refused.");
  text.Sample(pool.spawn_failures);
  text.Family("squall_pool_torn", kGauge,
              "1 when the master stopped or died while it published the pool.");
  text.Sample(snapshot.torn ? 1 : 0);
}

void AppendHttp(const PoolSnapshot& snapshot, MetricsText& text) {
  const WorkerCounters& totals = snapshot.totals;
  text.Family("squall_http_requests_total", kCounter, "Request heads read in full.");
  text.Sample(totals[WorkerCounter::kRequests]);
  text.Family("squall_http_responses_total", kCounter, "Responses by the class of their status.");
  constexpr std::array<std::pair<WorkerCounter, std::string_view>, 5> kClasses = {
      {{WorkerCounter::kResponses1xx, "1xx"},
       {WorkerCounter::kResponses2xx, "2xx"},
       {WorkerCounter::kResponses3xx, "3xx"},
       {WorkerCounter::kResponses4xx, "4xx"},
       {WorkerCounter::kResponses5xx, "5xx"}}};
  for (const auto& [counter, name] : kClasses) text.Sample(totals[counter], {{"class", name}});
  text.Family("squall_http_request_duration_seconds", kHistogram,
              "From the end of a request's head to the last octet of its answer.");
  text.Histogram(snapshot.latency);
  text.Family("squall_http_received_bytes_total", kCounter, "Octets of HTTP read from clients.");
  text.Sample(totals[WorkerCounter::kBytesIn]);
  text.Family("squall_http_sent_bytes_total", kCounter, "Octets of HTTP written to clients.");
  text.Sample(totals[WorkerCounter::kBytesOut]);
  text.Family("squall_http_connections", kGauge, "Open connections.");
  text.Sample(std::max<int64_t>(0, snapshot.connections));
  text.Family("squall_http_requests_in_flight", kGauge, "Requests begun and not ended.");
  text.Sample(RequestsInFlight(snapshot));
}

void AppendAccepts(const WorkerCounters& totals, MetricsText& text) {
  struct Counter {
    WorkerCounter counter;
    std::string_view name;
    std::string_view help;
  };
  constexpr Counter kCounters[] = {
      {WorkerCounter::kAccepted, "squall_accept_connections_total", "Connections accepted."},
      {WorkerCounter::kAcceptWakeups, "squall_accept_wakeups_total",
       "Times that a listener woke a worker."},
      {WorkerCounter::kAcceptWouldBlock, "squall_accept_would_block_total",
       "Wake-ups in vain: a sibling was faster."},
      {WorkerCounter::kAcceptYields, "squall_accept_yields_total",
       "Times that a worker stood back for one that holds fewer connections."},
      {WorkerCounter::kAcceptRescues, "squall_accept_rescues_total",
       "Connections found without a wake-up: a worker had swallowed it."},
      {WorkerCounter::kAcceptPauses, "squall_accept_pauses_total",
       "Times that accepting stopped for lack of descriptors or memory."},
      {WorkerCounter::kLoopTurns, "squall_loop_turns_total", "Wake-ups of the workers' loops."},
  };
  for (const Counter& counter : kCounters) {
    text.Family(counter.name, kCounter, counter.help);
    text.Sample(totals[counter.counter]);
  }
  text.Family("squall_loop_busy_seconds_total", kCounter,
              "Time in which the workers' loops did not wait.");
  text.Sample(BusyTime(totals));
}

// One worker with the labels of its samples.
struct Labelled {
  const WorkerSnapshot* worker;
  std::string slot;
  std::string row;
};

class WorkerMetrics {
 public:
  WorkerMetrics(const PoolSnapshot& snapshot, MonotonicTime now, MetricsText& text)
      : snapshot_(snapshot), now_(now), text_(text) {
    for (const WorkerSnapshot& worker : snapshot.workers) {
      all_.push_back({&worker, absl::StrCat(worker.slot.slot), absl::StrCat(worker.slot.row)});
    }
  }

  void Append() {
    States();
    text_.Family("squall_worker_incarnation", kGauge, "The how-manieth process of its slot it is.");
    Each([](const WorkerSnapshot& worker) { return worker.slot.incarnation; });
    text_.Family("squall_worker_start_time_seconds", kGauge,
                 "When the worker was started, in seconds since 1970.");
    EachProcess([this](const WorkerSnapshot& worker) {
      // Of two times that stay, so that this one does, too.
      return UnixSeconds(snapshot_.started_at +
                         (worker.slot.started_at - snapshot_.pool.started_at));
    });
    Load();
    Loop();
    Process();
    SlotRestarts();
  }

 private:
  template <typename Value>
  void Each(Value value) {
    for (const Labelled& one : all_) {
      text_.Sample(value(*one.worker), {{"slot", one.slot}, {"row", one.row}});
    }
  }
  template <typename Value>
  void EachProcess(Value value) {
    for (const Labelled& one : all_) {
      if (one.worker->slot.pid == 0) continue;
      text_.Sample(value(*one.worker), {{"slot", one.slot}, {"row", one.row}});
    }
  }
  // Of those that have one.
  template <typename Value>
  void EachKnown(Value value) {
    for (const Labelled& one : all_) {
      if (const auto known = value(*one.worker); known.has_value()) {
        text_.Sample(*known, {{"slot", one.slot}, {"row", one.row}});
      }
    }
  }
  void EachCounter(WorkerCounter counter) {
    Each([counter](const WorkerSnapshot& worker) { return worker.row_counters[counter]; });
  }

  void States() {
    text_.Family("squall_worker_state", kGauge,
                 "1 for the state that the worker is in; the others are left out.");
    for (const Labelled& one : all_) {
      text_.Sample(1, {{"slot", one.slot},
                       {"row", one.row},
                       {"state", IsStalled(*one.worker)
                                     ? "stalled"
                                     : LabelValue(WorkerStateName(one.worker->slot.state))}});
    }
    text_.Family("squall_worker_health", kGauge,
                 "1 for what the watchdog says of a worker's process.");
    for (const Labelled& one : all_) {
      if (!one.worker->sample.has_value()) continue;
      text_.Sample(1, {{"slot", one.slot},
                       {"row", one.row},
                       {"health", LabelValue(WorkerHealthName(one.worker->sample->health))}});
    }
  }

  void Load() {
    text_.Family("squall_worker_connections", kGauge, "Open connections.");
    EachProcess(
        [](const WorkerSnapshot& worker) { return std::max<int64_t>(0, worker.connections); });
    text_.Family("squall_worker_accepting", kGauge, "1 while it takes new connections.");
    EachProcess([](const WorkerSnapshot& worker) { return worker.accepting ? 1 : 0; });
    text_.Family("squall_worker_requests_in_flight", kGauge, "Requests begun and not ended.");
    EachProcess([](const WorkerSnapshot& worker) { return worker.in_flight; });
    text_.Family("squall_worker_request_age_seconds", kGauge,
                 "How long the request begun last has been in flight.");
    EachKnown([this](const WorkerSnapshot& worker) { return RequestAge(worker, now_); });
    text_.Family("squall_worker_accepted_connections_total", kCounter,
                 "Connections accepted by all workers of the row.");
    EachCounter(WorkerCounter::kAccepted);
    text_.Family("squall_worker_requests_total", kCounter,
                 "Request heads read by all workers of the row.");
    EachCounter(WorkerCounter::kRequests);
  }

  void Loop() {
    text_.Family("squall_worker_heartbeat_age_seconds", kGauge,
                 "Time since the loop of the worker last ran.");
    EachKnown([](const WorkerSnapshot& worker) { return worker.heartbeat_age; });
    text_.Family("squall_worker_loop_last_turn_seconds", kGauge,
                 "The last turn of the loop that has ended.");
    EachProcess([](const WorkerSnapshot& worker) { return worker.last_loop_turn; });
    text_.Family("squall_worker_loop_longest_turn_seconds", kGauge,
                 "The longest turn of the loop in the last 10 to 20 seconds.");
    EachProcess([](const WorkerSnapshot& worker) { return worker.longest_loop_turn; });
    text_.Family("squall_worker_loop_busy_seconds_total", kCounter,
                 "Time in which the loops of all workers of the row did not wait.");
    Each([](const WorkerSnapshot& worker) { return BusyTime(worker.row_counters); });
  }

  void Process() {
    text_.Family("squall_worker_resident_memory_bytes", kGauge,
                 "Resident memory, shared pages included.");
    EachKnown([](const WorkerSnapshot& worker) -> std::optional<uint64_t> {
      if (!worker.sample.has_value()) return std::nullopt;
      return worker.sample->rss_bytes;
    });
    text_.Family("squall_worker_cpu_usage_ratio", kGauge,
                 "Share of one processor between the last two samples of the master.");
    EachKnown([](const WorkerSnapshot& worker) -> std::optional<double> {
      if (!worker.sample.has_value()) return std::nullopt;
      return worker.sample->cpu_share;
    });
  }

  void SlotRestarts() {
    text_.Family("squall_slot_worker_deaths_total", kCounter,
                 "Workers of the slot that ended without being asked to.");
    std::map<int, uint64_t> deaths;
    for (const WorkerSnapshot& worker : snapshot_.workers) {
      uint64_t& most = deaths[worker.slot.slot];
      most = std::max(most, worker.slot.restarts);
    }
    for (const auto& [slot, number] : deaths) {
      text_.Sample(number, {{"slot", absl::StrCat(slot)}});
    }
  }

  const PoolSnapshot& snapshot_;
  const MonotonicTime now_;
  MetricsText& text_;
  std::vector<Labelled> all_;
};

}  // namespace

void AppendPoolMetrics(const PoolSnapshot& snapshot, MonotonicTime now, MetricsText& text) {
  AppendPool(snapshot, text);
  AppendHttp(snapshot, text);
  AppendAccepts(snapshot.totals, text);
  WorkerMetrics(snapshot, now, text).Append();
}

}  // namespace squall::internal
