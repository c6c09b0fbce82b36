#include "squall/process/pool_monitor.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/process/autoscaler_inputs.h"
#include "squall/process/config_field.h"
#include "squall/process/heartbeat.h"
#include "squall/process/listen_backlog.h"

namespace squall::internal {
namespace {

// What is only looked at by people: two system calls a worker each time.
constexpr absl::Duration kSampleInterval = absl::Seconds(5);

template <size_t kSize>
void SetText(char (&field)[kSize], std::string_view text) {
  field[text.copy(field, kSize - 1)] = '\0';
}

PoolNote Note(const SlotView& view, PoolNote::Type type, PoolNote::Severity severity,
              const std::string& what) {
  return {.severity = severity,
          .type = type,
          .slot = view.slot,
          .incarnation = view.incarnation,
          .pid = view.pid,
          .text = absl::StrCat("worker ", view.slot, " (pid ", view.pid, ") ", what)};
}

bool SameAutoscaler(const PoolConfig& config, const PoolMonitorOptions& options) {
  const PoolConfig present{.autoscaler = options.autoscaler};
  const auto fields = ConfigFields();
  return std::all_of(fields.begin(), fields.end(), [&](const ConfigField& field) {
    return !field.path.starts_with("autoscaler.") || field.get(config) == field.get(present);
  });
}

// Decisions must not be made on numbers older than they are taken.
absl::Duration SampleInterval(const PoolMonitorOptions& options) {
  absl::Duration interval = kSampleInterval;
  if (options.recycle.max_rss > 0) interval = std::min(interval, options.watchdog.interval);
  if (options.autoscaler.mode == AutoscalerMode::kCpu) {
    interval = std::min(interval, options.autoscaler.interval);
  }
  return interval;
}

}  // namespace

PoolMonitor::Watched::Watched(const PoolMonitorOptions& options, const SlotView& view,
                              std::minstd_rand& random)
    : incarnation(view.incarnation),
      slot(view.slot),
      watchdog(options.watchdog),
      limits(options.recycle, random) {}

PoolMonitor::PoolMonitor(const PoolMonitorOptions& options, int rows, uint64_t seed)
    : options_(options),
      sample_interval_(SampleInterval(options)),
      random_(static_cast<std::minstd_rand::result_type>(seed)),
      autoscaler_(options.autoscaler),
      watched_(static_cast<size_t>(rows)) {}

void PoolMonitor::Configure(const PoolConfig& config, Scoreboard& scoreboard) {
  const bool rescale = !SameAutoscaler(config, options_);
  options_.watchdog = config.watchdog;
  options_.recycle = config.recycle;
  options_.autoscaler = config.autoscaler;
  sample_interval_ = SampleInterval(options_);
  for (std::optional<Watched>& watched : watched_) {
    if (!watched.has_value()) continue;
    watched->watchdog.SetOptions(config.watchdog);
    watched->limits = RecycleLimits(config.recycle, random_);
  }
  next_watch_ = MonotonicTime();
  if (!rescale) return;
  autoscaler_ = Autoscaler(config.autoscaler);
  autoscaler_view_ = {};
  scoreboard.PublishAutoscaler(autoscaler_view_);
}

PoolMonitor::Findings PoolMonitor::Look(const PoolState& pool, Scoreboard& scoreboard,
                                        MonotonicTime now) {
  const bool tick = autoscaler_.next_tick() <= now;
  const bool samples = tick && options_.autoscaler.mode == AutoscalerMode::kCpu;
  Findings findings;
  if (next_watch_ <= now || samples) {
    next_watch_ = now + options_.watchdog.interval;
    for (int row = 0; row < pool.rows(); ++row) {
      LookAt(pool.row(row), scoreboard, now, findings);
    }
  }
  if (tick) Autoscale(scoreboard, now, findings);
  return findings;
}

void PoolMonitor::LookAt(const SlotView& view, Scoreboard& scoreboard, MonotonicTime now,
                         Findings& findings) {
  std::optional<Watched>& watched = watched_[static_cast<size_t>(view.row)];
  if (view.pid == 0) return watched.reset();
  const WorkerRow& row = scoreboard.worker_row(view.row);
  if (!watched.has_value() || watched->incarnation != view.incarnation ||
      watched->slot != view.slot) {
    watched.emplace(options_, view, random_);
  }
  const MonotonicTime sampled_at = watched->sampled_at;
  const WorkerHealth health = watched->sample.health;
  if (now - sampled_at >= sample_interval_) Sample(view, *watched, now);
  if (view.state == WorkerState::kReady && view.stop_step == StopStep::kNone) {
    Judge(view, row, *watched, now, findings);
    Recycle(view, scoreboard, *watched, now, findings);
  }
  if (watched->sampled_at != sampled_at || watched->sample.health != health) {
    scoreboard.PublishSample(view.row, watched->sample);
  }
}

void PoolMonitor::Sample(const SlotView& view, Watched& watched, MonotonicTime now) {
  const absl::StatusOr<ProcessStat> stat = ReadProcessStat(view.pid);
  if (!stat.ok()) return;
  WorkerSample& sample = watched.sample;
  if (watched.stat.has_value() && now > watched.sampled_at) {
    sample.cpu_share =
        absl::FDivDuration(stat->cpu_time - watched.stat->cpu_time, now - watched.sampled_at);
  }
  sample.at = now;
  sample.rss_bytes = stat->rss_bytes;
  sample.cpu_time = stat->cpu_time;
  watched.stat = *stat;
  watched.sampled_at = now;
}

void PoolMonitor::Judge(const SlotView& view, const WorkerRow& row, Watched& watched,
                        MonotonicTime now, Findings& findings) {
  WatchdogSample sample{.now = now, .heartbeat = row.heartbeat(), .in_flight = row.in_flight()};
  if (now - sample.heartbeat > kLateHeartbeat) {
    if (!row.LoadRequest(&sample.request)) sample.request.reset();
    if (const auto stat = ReadMainThreadStat(view.pid); stat.ok()) sample.stat = *stat;
  }
  const WatchdogVerdict verdict = watched.watchdog.Judge(sample);
  if (verdict.health != watched.sample.health) {
    watched.sample.health = verdict.health;
    watched.sample.health_since = verdict.since.is_infinite() ? now : verdict.since;
  }
  switch (verdict.note) {
    case WatchdogNote::kNone:
      break;
    case WatchdogNote::kWarn:
      findings.notes.push_back(Note(view, PoolNote::Type::kWorkerSilent,
                                    PoolNote::Severity::kWarning,
                                    absl::StrCat("is ", verdict.text)));
      break;
    case WatchdogNote::kRecovered:
      findings.notes.push_back(
          Note(view, PoolNote::Type::kWorkerRecovered, PoolNote::Severity::kInfo, verdict.text));
      break;
  }
  if (!verdict.due.has_value()) return;
  findings.events.push_back(AbortWorker{.slot = view.slot,
                                        .incarnation = view.incarnation,
                                        .signo = *verdict.due,
                                        .grace = options_.watchdog.abort_grace,
                                        .reason = verdict.text});
}

void PoolMonitor::Recycle(const SlotView& view, const Scoreboard& scoreboard, Watched& watched,
                          MonotonicTime now, Findings& findings) {
  if (watched.due || view.role != RowRole::kHolder) return;
  const WorkerCounters counters = scoreboard.CountersSinceStart(view.row);
  std::optional<std::string> reason =
      watched.limits.Due({.requests = counters[WorkerCounter::kRequests],
                          .age = now - view.ready_at,
                          .rss_bytes = watched.sample.rss_bytes});
  if (!reason.has_value()) return;
  watched.due = true;
  findings.events.push_back(ReplaceWorker{view.slot, view.incarnation, *std::move(reason)});
}

void PoolMonitor::Autoscale(Scoreboard& scoreboard, MonotonicTime now, Findings& findings) {
  AutoscalerInputs inputs = AutoscalerInputsOf(scoreboard.Read(now));
  inputs.backlog = ReadListenBacklog(options_.listeners);
  std::optional<ScaleDecision> decision = autoscaler_.Decide(inputs, now);
  autoscaler_view_.looked_at = now;
  autoscaler_view_.next_look = autoscaler_.next_tick();
  SetText(autoscaler_view_.inputs, Describe(inputs));
  if (decision.has_value()) {
    autoscaler_view_.decided_at = now;
    autoscaler_view_.kind = decision->kind;
    autoscaler_view_.dry_run = decision->dry_run;
    autoscaler_view_.target = decision->target;
    SetText(autoscaler_view_.reason, decision->reason);
  }
  scoreboard.PublishAutoscaler(autoscaler_view_);
  if (!decision.has_value()) return;
  findings.notes.push_back(
      {.severity = PoolNote::Severity::kInfo,
       .type = PoolNote::Type::kAutoscale,
       .text = absl::StrCat("autoscaler", decision->dry_run ? " (dry run)" : "", ": ",
                            decision->reason)});
  if (!decision->resizes()) return;
  findings.events.push_back(ResizeRequest{.target = decision->target, .actor = "autoscaler"});
}

}  // namespace squall::internal
