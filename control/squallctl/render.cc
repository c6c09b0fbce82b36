#include "squall/control/squallctl/render.h"

#include <string.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "squall/control/pool_to_proto.h"
#include "squall/control/squallctl/table.h"

namespace squall::internal {
namespace {

namespace v1 = ::squall::control::v1;

constexpr char kNone[] = "-";

// The enum's name without its prefix: WORKER_STATE_READY is READY.
template <typename Name>
std::string Short(const Name& name, size_t prefix) {
  return std::string(name).substr(std::min(prefix, std::string(name).size()));
}

std::string StateName(v1::WorkerState state) {
  return Short(v1::WorkerState_Name(state), strlen("WORKER_STATE_"));
}

std::string StateName(v1::PoolState state) {
  return Short(v1::PoolState_Name(state), strlen("POOL_STATE_"));
}

Style StyleOf(v1::WorkerState state) {
  switch (state) {
    case v1::WORKER_STATE_READY:
      return Style::kGood;
    case v1::WORKER_STATE_STARTING:
    case v1::WORKER_STATE_DRAINING:
    case v1::WORKER_STATE_STALLED:
      return Style::kWarning;
    case v1::WORKER_STATE_BACKOFF:
    case v1::WORKER_STATE_FAILED:
      return Style::kBad;
    default:
      return Style::kFaint;
  }
}

Style StyleOf(v1::PoolState state) {
  switch (state) {
    case v1::POOL_STATE_SERVING:
      return Style::kGood;
    case v1::POOL_STATE_SHUTTING_DOWN:
      return Style::kWarning;
    default:
      return Style::kBad;
  }
}

Style StyleOf(v1::OperationState state) {
  switch (state) {
    case v1::OPERATION_STATE_DONE:
      return Style::kGood;
    case v1::OPERATION_STATE_RUNNING:
    case v1::OPERATION_STATE_CANCELLED:
      return Style::kWarning;
    case v1::OPERATION_STATE_FAILED:
      return Style::kBad;
    default:
      return Style::kFaint;
  }
}

Cell Number(uint64_t value, Style when_not_zero = Style::kPlain) {
  return {FormatCount(value), value == 0 ? Style::kFaint : when_not_zero};
}

Cell Faint(std::string text) { return {std::move(text), Style::kFaint}; }

Cell Rate(const std::optional<double>& rate) {
  if (!rate.has_value()) return Faint(kNone);
  return {absl::StrFormat("%.*f", *rate < 10 ? 1 : 0, *rate)};
}

Cell Pid(const v1::Worker& worker) {
  return worker.pid() == 0 ? Faint(kNone) : Cell{absl::StrCat(worker.pid())};
}

// What the worker is at: its request, or when the next thing happens to it.
Cell Now(const v1::Worker& worker) {
  if (worker.torn()) return {"(row unreadable)", Style::kWarning};
  if (worker.has_next_start_in()) {
    return {absl::StrCat(worker.state() == v1::WORKER_STATE_FAILED ? "trial in " : "starts in ",
                         FormatAge(FromProto(worker.next_start_in()))),
            Style::kWarning};
  }
  std::string text;
  if (worker.has_current_request()) {
    const v1::CurrentRequest& request = worker.current_request();
    // The age first: a long target is what gets cut.
    text = absl::StrCat(FormatAge(FromProto(request.running_for())), " ", request.method(), " ",
                        request.target());
    if (worker.requests_in_flight() > 1) {
      absl::StrAppend(&text, " +", worker.requests_in_flight() - 1);
    }
  }
  if (worker.state() == v1::WORKER_STATE_DRAINING && worker.has_next_step_in()) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", "pushed in ",
                    FormatAge(FromProto(worker.next_step_in())));
  }
  if (text.empty() && worker.state() == v1::WORKER_STATE_STALLED) {
    text = absl::StrCat("silent for ", FormatAge(FromProto(worker.heartbeat_age())));
  }
  return text.empty() ? Faint(kNone) : Cell{text};
}

}  // namespace

std::string FormatAge(absl::Duration age) {
  age = std::max(age, absl::ZeroDuration());
  const int64_t seconds = absl::ToInt64Seconds(age);
  if (age < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(age), "ms");
  if (age < absl::Seconds(10)) {
    const int64_t tenths = absl::ToInt64Milliseconds(age) / 100;
    return absl::StrCat(tenths / 10, ".", tenths % 10, "s");
  }
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 24 * 3600) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  return absl::StrCat(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string FormatCount(uint64_t count) {
  std::string digits = absl::StrCat(count);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), 1, ',');
  return digits;
}

std::string FormatOctets(uint64_t octets) {
  if (octets < 1000) return absl::StrCat(octets, " B");
  double value = static_cast<double>(octets);
  const char* const kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < std::size(kUnits); value /= 1000) ++unit;
  return absl::StrFormat("%.*f %s", value < 9.95 ? 1 : 0, value, kUnits[unit]);
}

std::string FormatExit(const v1::Worker& worker) {
  if (!worker.has_last_exit()) return kNone;
  const v1::LastExit& exit = worker.last_exit();
  std::string how;
  if (exit.signal() == 0) {
    how = absl::StrCat("exit ", exit.status());
  } else {
    const char* const name = sigabbrev_np(exit.signal());
    how = name != nullptr ? absl::StrCat("SIG", name) : absl::StrCat("signal ", exit.signal());
    if (exit.core_dumped()) absl::StrAppend(&how, ", core");
  }
  switch (exit.cause()) {
    case v1::DEATH_CAUSE_BOOT_FAILURE:
      return absl::StrCat("boot failure, ", how);
    case v1::DEATH_CAUSE_BOOT_TIMEOUT:
      return absl::StrCat("boot timeout, ", how);
    case v1::DEATH_CAUSE_HUNG:
      return absl::StrCat("hung, ", how);
    case v1::DEATH_CAUSE_OUT_OF_MEMORY:
      return absl::StrCat("out of memory, ", how);
    case v1::DEATH_CAUSE_UNSPECIFIED:
      return exit.signal() == 0 && exit.status() == 0 ? "stopped" : absl::StrCat("stopped, ", how);
    default:
      return how;
  }
}

std::string FormatCounts(const v1::Pool& pool) {
  std::string text = absl::StrCat(pool.ready_workers(), " ready");
  const std::pair<int, const char*> others[] = {{pool.starting_workers(), "starting"},
                                                {pool.draining_workers(), "draining"},
                                                {pool.backoff_workers(), "backing off"},
                                                {pool.failed_workers(), "failed"}};
  for (const auto& [count, word] : others) {
    if (count > 0) absl::StrAppend(&text, ", ", count, " ", word);
  }
  return text;
}

std::string FormatOperation(const v1::Operation& operation) {
  switch (operation.kind()) {
    case v1::OPERATION_KIND_RESIZE:
      return absl::StrCat("resize to ", operation.desired_workers(),
                          operation.desired_workers() == 1 ? " worker" : " workers");
    case v1::OPERATION_KIND_RESTART:
      return "restart";
    case v1::OPERATION_KIND_DRAIN_WORKER:
      return absl::StrCat("drain of worker ", operation.slot());
    case v1::OPERATION_KIND_KILL_WORKER:
      return absl::StrCat("kill of worker ", operation.slot());
    default:
      return "operation";
  }
}

std::vector<std::string> RenderStatus(const v1::Pool& pool, const std::vector<v1::Worker>& workers,
                                      const Rates& rates, const TableStyle& style) {
  // The order is that of importance: a narrow terminal cuts at the end.
  std::vector<Column> columns = {{"POOL"},
                                 {"DESIRED", Align::kRight},
                                 {"READY", Align::kRight},
                                 {"START", Align::kRight},
                                 {"DRAIN", Align::kRight},
                                 {"BACKOFF", Align::kRight},
                                 {"FAILED", Align::kRight},
                                 {"REQUESTS", Align::kRight}};
  const bool all_ready = pool.ready_workers() >= pool.desired_workers();
  std::vector<Cell> row = {
      {StateName(pool.state()), StyleOf(pool.state())},
      {absl::StrCat(pool.desired_workers())},
      {absl::StrCat(pool.ready_workers()), all_ready ? Style::kGood : Style::kBad},
      Number(pool.starting_workers(), Style::kWarning),
      Number(pool.draining_workers(), Style::kWarning),
      Number(pool.backoff_workers(), Style::kBad),
      Number(pool.failed_workers(), Style::kBad),
      Number(pool.totals().requests())};
  if (rates.shown) {
    columns.push_back({"REQ/S", Align::kRight});
    row.push_back(Rate(rates.pool));
  }
  columns.insert(columns.end(), {{"CONNS", Align::kRight},
                                 {"UP", Align::kRight},
                                 {"GENERATION", Align::kRight},
                                 {"MAX", Align::kRight}});
  row.push_back(Number(pool.connections()));
  row.push_back({pool.has_uptime() ? FormatAge(FromProto(pool.uptime())) : kNone});
  row.push_back({absl::StrCat(pool.generation())});
  row.push_back({absl::StrCat(pool.max_workers())});
  Table pool_table(std::move(columns));
  pool_table.AddRow(std::move(row));
  std::vector<std::string> lines = pool_table.Lines(style);
  lines.push_back("");
  if (workers.empty()) {
    lines.push_back("no workers");
    return lines;
  }

  columns = {{"SLOT", Align::kRight}, {"PID", Align::kRight},   {"STATE"},
             {"FOR", Align::kRight},  {"CONNS", Align::kRight}, {"REQUESTS", Align::kRight}};
  if (rates.shown) columns.push_back({"REQ/S", Align::kRight});
  if (rates.uses_shown) {
    columns.insert(columns.end(), {{"CPU", Align::kRight}, {"RSS", Align::kRight}});
  }
  columns.insert(columns.end(), {{"RESTARTS", Align::kRight}, {"LAST EXIT"}, {"NOW"}});
  Table table(std::move(columns));
  for (const v1::Worker& worker : workers) {
    row = {{absl::StrCat(worker.slot())},
           Pid(worker),
           {worker.torn() ? "?" : StateName(worker.state()), StyleOf(worker.state())},
           worker.has_state_age() ? Cell{FormatAge(FromProto(worker.state_age()))} : Faint(kNone),
           Number(worker.connections()),
           Number(worker.counters().requests())};
    if (rates.shown) {
      const auto rate = rates.by_slot.find(worker.slot());
      row.push_back(Rate(rate == rates.by_slot.end() ? std::nullopt : std::optional(rate->second)));
    }
    if (rates.uses_shown) {
      const auto use = rates.uses.find(worker.slot());
      const bool seen = use != rates.uses.end();
      row.push_back(seen && use->second.cpu.has_value()
                        ? Cell{absl::StrFormat("%.0f%%", *use->second.cpu * 100)}
                        : Faint(kNone));
      row.push_back(seen ? Cell{FormatOctets(use->second.rss_bytes)} : Faint(kNone));
    }
    row.push_back(Number(worker.restarts(), Style::kWarning));
    row.push_back(worker.has_last_exit() ? Cell{FormatExit(worker)} : Faint(kNone));
    row.push_back(Now(worker));
    table.AddRow(std::move(row));
  }
  for (std::string& line : table.Lines(style)) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> RenderWorkers(const std::vector<v1::Worker>& workers,
                                       const TableStyle& style) {
  if (workers.empty()) return {"no workers"};
  Table table({{"SLOT", Align::kRight},
               {"PID", Align::kRight},
               {"LIFE", Align::kRight},
               {"STATE"},
               {"HEARTBEAT", Align::kRight},
               {"CONNS", Align::kRight},
               {"IN FLIGHT", Align::kRight},
               {"ACCEPTED", Align::kRight},
               {"REQUESTS", Align::kRight},
               {"2XX", Align::kRight},
               {"3XX", Align::kRight},
               {"4XX", Align::kRight},
               {"5XX", Align::kRight},
               {"IN", Align::kRight},
               {"OUT", Align::kRight},
               {"RESTARTS", Align::kRight},
               {"LAST EXIT"}});
  for (const v1::Worker& worker : workers) {
    const v1::Counters& counters = worker.counters();
    table.AddRow({{absl::StrCat(worker.slot())},
                  Pid(worker),
                  {absl::StrCat(worker.incarnation())},
                  {worker.torn() ? "?" : StateName(worker.state()), StyleOf(worker.state())},
                  worker.has_heartbeat_age() ? Cell{FormatAge(FromProto(worker.heartbeat_age()))}
                                             : Faint(kNone),
                  Number(worker.connections()),
                  Number(worker.requests_in_flight()),
                  Number(counters.accepted_connections()),
                  Number(counters.requests()),
                  Number(counters.responses_2xx()),
                  Number(counters.responses_3xx()),
                  Number(counters.responses_4xx(), Style::kWarning),
                  Number(counters.responses_5xx(), Style::kBad),
                  {FormatOctets(counters.bytes_in())},
                  {FormatOctets(counters.bytes_out())},
                  Number(worker.restarts(), Style::kWarning),
                  worker.has_last_exit() ? Cell{FormatExit(worker)} : Faint(kNone)});
  }
  return table.Lines(style);
}

std::vector<std::string> RenderOperations(const std::vector<v1::Operation>& operations,
                                          absl::Time now, const TableStyle& style) {
  if (operations.empty()) return {"no operations"};
  Table table({{"OPERATION"},
               {"WHAT"},
               {"STATE"},
               {"BEGAN", Align::kRight},
               {"TOOK", Align::kRight},
               {"BY"},
               {"WHY"}});
  for (const v1::Operation& operation : operations) {
    const absl::Time began = FromProto(operation.create_time());
    const bool ended = operation.has_end_time();
    const std::string state =
        Short(v1::OperationState_Name(operation.state()), strlen("OPERATION_STATE_"));
    table.AddRow({{Short(operation.name(), strlen("operations/"))},
                  {FormatOperation(operation)},
                  {state, StyleOf(operation.state())},
                  {absl::StrCat(FormatAge(now - began), " ago")},
                  ended ? Cell{FormatAge(FromProto(operation.end_time()) - began)} : Faint(kNone),
                  {operation.actor()},
                  {operation.error().message()}});
  }
  return table.Lines(style);
}

}  // namespace squall::internal
