#include "squall/process/watchdog.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/process/heartbeat.h"

namespace squall {
namespace {

// As in PoolState: so late, a check says that the master stood still.
constexpr absl::Duration kStoodStill = absl::Seconds(5);

// A runnable worker with less than this part of a processor is starved: twenty busy processes share
// a machine of two processors, or a control group is throttled.
constexpr double kStarvedShare = 0.1;

std::string Readable(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(
      duration, duration < absl::Seconds(10) ? absl::Milliseconds(100) : absl::Seconds(1)));
}

std::string RequestLine(const RequestInFlight& request) {
  const bool cut = request.target().size() == sizeof(request.target_data);
  return absl::StrCat(absl::CHexEscape(ToAbsl(request.method())), " ",
                      absl::CHexEscape(ToAbsl(request.target())), cut ? "..." : "");
}

// Where in the program a worker is, as far as its row tells.
std::string Whereabouts(const WatchdogSample& sample) {
  if (!sample.request.has_value()) {
    return sample.in_flight == 0 ? " outside any request"
                                 : absl::StrCat(" with ", sample.in_flight, " requests in flight");
  }
  return absl::StrCat(
      " in ", RequestLine(*sample.request),
      sample.in_flight > 1 ? absl::StrCat(", the last begun of ", sample.in_flight) : "");
}

}  // namespace

Watchdog::Watchdog(const WatchdogOptions& options) : options_(options) {}

WatchdogVerdict Watchdog::Judge(const WatchdogSample& sample) {
  const MonotonicTime now = sample.now;
  const bool stood_still = now - judged_at_ > options_.interval + kStoodStill;
  const WorkerHealth before = std::exchange(health_, Classify(sample));
  const bool stopped = health_ == WorkerHealth::kStopped;
  const bool continued = before == WorkerHealth::kStopped && !stopped;
  const bool heard = sample.heartbeat != std::exchange(heartbeat_, sample.heartbeat);

  if (stopped && (before != WorkerHealth::kStopped || heard || stood_still)) stopped_since_ = now;
  if (stopped || stood_still) excused_until_ = now;

  WatchdogVerdict verdict;
  if (!warned_.empty() && (heard || continued)) {
    verdict.note = WatchdogNote::kRecovered;
    verdict.text = absl::StrCat("runs again; it was ", std::exchange(warned_, {}));
  }
  // A worker that is stopped in the middle of a stall is news.
  if (stopped && before != WorkerHealth::kStopped) warned_.clear();

  const MonotonicTime silent_since = std::max(sample.heartbeat, excused_until_);
  if (heard || stopped || stood_still) hindered_ = absl::ZeroDuration();
  if (health_ == WorkerHealth::kInKernel || health_ == WorkerHealth::kStarved) {
    hindered_ += now - std::max(silent_since, judged_at_);
  }

  verdict.health = health_;
  if (health_ != WorkerHealth::kHealthy) {
    verdict.since = stopped ? stopped_since_ : silent_since;
    const absl::Duration silence = now - verdict.since;
    const std::string text = Describe(sample, silence);
    if (warned_.empty() && silence >= options_.stall_warn) verdict.note = WatchdogNote::kWarn;
    if (!warned_.empty() || verdict.note == WatchdogNote::kWarn) warned_ = text;
    if (verdict.note != WatchdogNote::kRecovered) verdict.text = text;
  }
  verdict.due = Due(sample, verdict);

  judged_at_ = now;
  // An older one stays when there is none: the share is then too large, never too small.
  if (sample.stat.has_value()) cpu_time_ = sample.stat->cpu_time;
  return verdict;
}

WorkerHealth Watchdog::Classify(const WatchdogSample& sample) const {
  if (sample.heartbeat.is_infinite()) return WorkerHealth::kHealthy;
  const char state = sample.stat.has_value() ? sample.stat->state : '?';
  if (state == 'T' || state == 't') return WorkerHealth::kStopped;
  if (!IsStale(sample.heartbeat, sample.now)) return WorkerHealth::kHealthy;
  if (state == 'D') return WorkerHealth::kInKernel;
  if (state == 'R' && ProcessorShare(sample).value_or(1) < kStarvedShare) {
    return WorkerHealth::kStarved;
  }
  return WorkerHealth::kStalled;
}

std::optional<double> Watchdog::ProcessorShare(const WatchdogSample& sample) const {
  const absl::Duration passed = sample.now - judged_at_;
  if (!cpu_time_.has_value() || !sample.stat.has_value() || passed < kLeastWatchdogInterval) {
    return std::nullopt;
  }
  return absl::FDivDuration(sample.stat->cpu_time - *cpu_time_, passed);
}

std::string Watchdog::Describe(const WatchdogSample& sample, absl::Duration silence) const {
  const auto text = [&](std::string_view what, auto... rest) {
    return absl::StrCat(ToAbsl(what), " for ", Readable(silence), rest...);
  };
  const char state = sample.stat.has_value() ? sample.stat->state : '?';
  switch (health_) {
    case WorkerHealth::kHealthy:
      return "";
    case WorkerHealth::kStalled:
      return text("stalled", Whereabouts(sample),
                  state == 'S'   ? " (asleep)"
                  : state == 'R' ? " (running)"
                                 : "");
    case WorkerHealth::kInKernel:
      return text("stalled", Whereabouts(sample),
                  " (in the kernel, state D: a disk or network file system)");
    case WorkerHealth::kStarved:
      return text("starved", Whereabouts(sample), " (runnable, but it got ",
                  std::lround(100 * ProcessorShare(sample).value_or(0)), "% of a processor)");
    case WorkerHealth::kStopped:
      return text("stopped", state == 't' ? " by a debugger" : " by a signal", Whereabouts(sample));
  }
  return "";
}

std::optional<int> Watchdog::Due(const WatchdogSample& sample, WatchdogVerdict& verdict) const {
  const MonotonicTime now = sample.now;
  const auto over = [&verdict](absl::Duration limit) {
    absl::StrAppend(&verdict.text, ", limit ", absl::FormatDuration(limit));
  };
  switch (verdict.health) {
    // Whoever is not able to run its loop is not to blame, and one in an uninterruptible sleep does
    // not die of a signal either.
    case WorkerHealth::kHealthy:
    case WorkerHealth::kInKernel:
    case WorkerHealth::kStarved:
      return std::nullopt;
    case WorkerHealth::kStopped:
      if (now - verdict.since < options_.stopped_kill) return std::nullopt;
      over(options_.stopped_kill);
      return SIGKILL;
    case WorkerHealth::kStalled: {
      const absl::Duration stalled = now - verdict.since - hindered_;
      if (stalled >= options_.stall_kill) {
        over(options_.stall_kill);
        return SIGABRT;
      }
      if (stalled >= options_.stall_warn && sample.request.has_value() &&
          now - std::max(sample.request->since, excused_until_) - hindered_ >=
              options_.request_timeout) {
        absl::StrAppend(&verdict.text, ", begun ", Readable(now - sample.request->since), " ago");
        over(options_.request_timeout);
        return SIGABRT;
      }
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace squall
