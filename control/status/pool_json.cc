#include "squall/control/status/pool_json.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "squall/base/string_view.h"
#include "squall/base/version.h"
#include "squall/control/status/pool_words.h"
#include "squall/process/latency_histogram.h"
#include "squall/process/pool_view.h"
#include "squall/process/worker_health.h"
#include "squall/process/worker_row.h"
#include "squall/process/worker_state.h"

namespace squall::internal {
namespace {

using nlohmann::json;

json Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

json Seconds(const std::optional<absl::Duration>& duration) {
  return duration.has_value() ? Seconds(*duration) : json(nullptr);
}

json Age(MonotonicTime since, MonotonicTime now) {
  return Seconds(std::max(absl::ZeroDuration(), now - since));
}

std::string StateOf(const PoolSnapshot& pool) {
  if (pool.pool.shutdown != ShutdownMode::kNone) return "shutting down";
  return IsServing(pool) ? "serving" : "unavailable";
}

std::string StateOf(const WorkerSnapshot& worker) {
  if (IsStalled(worker)) return "stalled";
  return absl::AsciiStrToLower(ToAbsl(WorkerStateName(worker.slot.state)));
}

json LastExitOf(const SlotView& slot) {
  if (!slot.last_exit.has_value()) return nullptr;
  const LastExit& exit = *slot.last_exit;
  if (exit.cause == DeathCause::kNone) return exit.status.ToString();
  return absl::StrCat(exit.status.ToString(), ", ", ToAbsl(DeathCauseName(exit.cause)));
}

// What a row did since `before`; nothing when another process has it, or none had it then.
const WorkerSnapshot* SameProcess(const WorkerSnapshot& worker, const TimedSnapshot* before) {
  if (before == nullptr || worker.slot.pid == 0) return nullptr;
  for (const WorkerSnapshot& earlier : before->pool.workers) {
    if (earlier.slot.row == worker.slot.row && earlier.slot.slot == worker.slot.slot &&
        earlier.slot.incarnation == worker.slot.incarnation) {
      return &earlier;
    }
  }
  return nullptr;
}

json WorkerJson(const WorkerSnapshot& worker, const TimedSnapshot& now,
                const TimedSnapshot* before) {
  const SlotView& slot = worker.slot;
  json out = {{"slot", slot.slot},
              {"row", slot.row},
              {"role", RowRoleName(slot.role)},
              {"state", StateOf(worker)},
              {"state_age", Age(slot.since, now.at)},
              {"pid", slot.pid},
              {"incarnation", slot.incarnation},
              {"connections", std::max<int64_t>(0, worker.connections)},
              {"accepting", worker.accepting},
              {"in_flight", worker.in_flight},
              {"request_age", Seconds(RequestAge(worker, now.at))},
              {"requests", worker.counters[WorkerCounter::kRequests]},
              {"requests_per_second", nullptr},
              {"busy", nullptr},
              {"heartbeat_age", Seconds(worker.heartbeat_age)},
              {"longest_turn", Seconds(worker.longest_loop_turn)},
              {"cpu", nullptr},
              {"rss", nullptr},
              {"health", nullptr},
              {"deaths", slot.restarts},
              {"last_exit", LastExitOf(slot)},
              {"next_start", Seconds(worker.next_restart_in)}};
  if (worker.sample.has_value()) {
    out["cpu"] = worker.sample->cpu_share;
    out["rss"] = worker.sample->rss_bytes;
    out["health"] = WorkerHealthName(worker.sample->health);
  }
  if (const WorkerSnapshot* earlier = SameProcess(worker, before); earlier != nullptr) {
    // Those since its start begin anew the moment it is dead.
    WorkerCounters done = worker.row_counters;
    done -= earlier->row_counters;
    const double time = absl::ToDoubleSeconds(now.at - before->at);
    out["requests_per_second"] = static_cast<double>(done[WorkerCounter::kRequests]) / time;
    out["busy"] = static_cast<double>(done[WorkerCounter::kLoopBusyNanos]) / 1e9 / time;
  }
  return out;
}

json PoolPart(const TimedSnapshot& now, const TimedSnapshot* before) {
  const PoolSnapshot& snapshot = now.pool;
  const PoolView& pool = snapshot.pool;
  json out = {
      {"state", StateOf(snapshot)},
      {"sentence", Readiness(snapshot)},
      {"desired", pool.desired},
      {"max_workers", pool.max_workers},
      {"ready", snapshot.ready()},
      {"starting", snapshot.starting()},
      {"draining", snapshot.draining()},
      {"backoff", snapshot.backoff()},
      {"failed", snapshot.failed()},
      {"done", snapshot.done()},
      {"generation", pool.generation},
      {"observed_generation", pool.observed_generation},
      {"restart", pool.restart.runs() ? absl::StrCat(ToAbsl(RestartPhaseName(pool.restart.phase)),
                                                     ", ", pool.restart.remaining, " left")
                                      : std::string(RestartPhaseName(pool.restart.phase))},
      {"uptime", Age(pool.started_at, now.at)},
      {"master_pid", snapshot.master_pid},
      {"connections", std::max<int64_t>(0, snapshot.connections)},
      {"in_flight", RequestsInFlight(snapshot)},
      {"requests", snapshot.totals[WorkerCounter::kRequests]},
      {"responses_5xx", snapshot.totals[WorkerCounter::kResponses5xx]},
      {"deaths", pool.restarts},
      {"requests_per_second", nullptr},
      {"p50", nullptr},
      {"p99", nullptr},
      {"cpu", nullptr},
      {"rss", nullptr}};
  double cpu = 0;
  uint64_t rss = 0;
  for (const WorkerSnapshot& worker : snapshot.workers) {
    if (!worker.sample.has_value()) continue;
    cpu += worker.sample->cpu_share;
    rss += worker.sample->rss_bytes;
  }
  if (rss > 0) {
    out["cpu"] = cpu;
    out["rss"] = rss;
  }
  if (before == nullptr) return out;
  WorkerCounters done = snapshot.totals;
  done -= before->pool.totals;
  out["requests_per_second"] = static_cast<double>(done[WorkerCounter::kRequests]) /
                               absl::ToDoubleSeconds(now.at - before->at);
  LatencyHistogram latency = snapshot.latency;
  latency -= before->pool.latency;
  if (latency.count() > 0) {
    out["p50"] = Seconds(latency.Quantile(0.5));
    out["p99"] = Seconds(latency.Quantile(0.99));
  }
  return out;
}

}  // namespace

std::string PoolJson(const TimedSnapshot& now, const TimedSnapshot* before) {
  json workers = json::array();
  for (const WorkerSnapshot& worker : now.pool.workers) {
    workers.push_back(WorkerJson(worker, now, before));
  }
  const json out = {
      {"version", kVersion}, {"pool", PoolPart(now, before)}, {"workers", std::move(workers)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace squall::internal
