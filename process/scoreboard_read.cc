#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "squall/process/scoreboard.h"
#include "squall/process/scoreboard_layout.h"
#include "squall/process/worker_state.h"

namespace squall {

WorkerCounters Scoreboard::CountersSinceStart(int row) const {
  WorkerCounters base;
  static_cast<void>(master_row(row).counters_base.Load(&base));
  WorkerCounters counters = worker_row(row).counters();
  counters -= base;
  return counters;
}

PoolSnapshot Scoreboard::Read(MonotonicTime now) const {
  PoolSnapshot snapshot;
  const Header& header = this->header();
  snapshot.instance_id = header.instance_id;
  snapshot.master_pid = static_cast<pid_t>(header.master_pid);
  snapshot.started_at = absl::FromUnixNanos(header.started_at_unix_ns);
  snapshot.torn = !pool_row().pool.Load(&snapshot.pool);
  // A torn one is the one before.
  static_cast<void>(pool_row().config.Load(&snapshot.config));
  // By way of a variable, or gcc 12 warns of a write beyond the first member.
  AutoscalerView autoscaler;
  static_cast<void>(pool_row().autoscaler.Load(&autoscaler));
  snapshot.autoscaler = autoscaler;
  snapshot.workers.reserve(static_cast<size_t>(rows()));
  std::vector<ProcessKey> stacks;
  for (int i = 0; i < rows(); ++i) {
    const MasterRow& master = master_row(i);
    const WorkerRow& row = worker_row(i);
    WorkerSnapshot worker;
    worker.slot.slot = worker.slot.row = i;
    worker.torn = !master.slot.Load(&worker.slot);
    // Before the counters, so that those are never behind it.
    WorkerCounters counters_base;
    LatencyHistogram latency_base;
    static_cast<void>(master.counters_base.Load(&counters_base));
    static_cast<void>(master.latency_base.Load(&latency_base));
    worker.row_counters = row.counters();
    worker.counters = worker.row_counters;
    worker.latency = row.latency();
    snapshot.totals += worker.counters;
    snapshot.latency += worker.latency;
    worker.counters -= counters_base;
    worker.latency -= latency_base;

    const ProcessKey process = KeyOf(worker.slot);
    RowWriter writer;
    static_cast<void>(row.LoadWriter(&writer));
    // Else the worker has not begun to write yet, or somebody else writes who should not.
    if (writer.process == process) {
      worker.connections = row.connections();
      worker.in_flight = row.in_flight();
      worker.accepting = row.accepting();
      worker.last_loop_turn = row.last_loop_turn();
      worker.longest_loop_turn = row.longest_loop_turn();
      if (const MonotonicTime beat = row.heartbeat(); !beat.is_infinite()) {
        worker.heartbeat_age = std::max(absl::ZeroDuration(), now - beat);
      }
      worker.request_torn = !row.LoadRequest(&worker.request);
    }
    snapshot.connections += worker.connections;
    ProcessKey stack_of;
    static_cast<void>(master.stack_of.Load(&stack_of));
    if (stack_of != ProcessKey{}) stacks.push_back(stack_of);
    if (worker.slot.state == WorkerState::kEmpty && !worker.torn) continue;

    MasterRow::Sampled sampled;
    static_cast<void>(master.sample.Load(&sampled));
    if (sampled.of == process && HasProcess(worker.slot.state)) worker.sample = sampled.sample;
    if (worker.slot.state == WorkerState::kBackoff || worker.slot.state == WorkerState::kFailed) {
      worker.next_restart_in = std::max(absl::ZeroDuration(), worker.slot.deadline - now);
    }
    snapshot.workers.push_back(std::move(worker));
  }
  for (const ProcessKey& process : stacks) {
    for (WorkerSnapshot& worker : snapshot.workers) {
      const std::optional<LastExit>& exit = worker.slot.last_exit;
      if (worker.slot.slot == process.slot && exit.has_value()) {
        worker.last_exit_has_stack |= exit->incarnation == process.incarnation;
      }
    }
  }
  const auto comes_before = [](const WorkerSnapshot& a, const WorkerSnapshot& b) {
    return KeyOf(a.slot) < KeyOf(b.slot);
  };
  // Rows are out of order only after a rolling restart.
  if (!std::is_sorted(snapshot.workers.begin(), snapshot.workers.end(), comes_before)) {
    std::sort(snapshot.workers.begin(), snapshot.workers.end(), comes_before);
  }
  return snapshot;
}

std::optional<WorkerStack> Scoreboard::LastStack(int slot) const {
  ProcessKey last;
  int found = -1;
  for (int i = 0; i < rows(); ++i) {
    ProcessKey of;
    static_cast<void>(master_row(i).stack_of.Load(&of));
    if (of.slot == slot && of.incarnation > last.incarnation) {
      last = of;
      found = i;
    }
  }
  if (found < 0) return std::nullopt;
  StackRow::Taken taken;
  // Another one may have taken its place meanwhile, and be half written.
  if (!stack_row(found).stack.Load(&taken) && taken.of.slot != slot) return std::nullopt;
  return WorkerStack{
      .process = taken.of,
      .pid = taken.pid,
      .text = std::string(taken.text, std::min<size_t>(taken.size, sizeof taken.text))};
}

}  // namespace squall
