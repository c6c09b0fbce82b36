#include "squall/process/watchdog_options.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/process/heartbeat.h"

namespace squall {
namespace {

absl::Status CheckAtLeast(std::string_view name, absl::Duration value, absl::Duration least,
                          std::string_view why) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("watchdog.", ToAbsl(name), " must be at least ",
                                                 absl::FormatDuration(least), ", ", ToAbsl(why),
                                                 ", not ", absl::FormatDuration(value)));
}

}  // namespace

absl::Status Validate(const WatchdogOptions& options) {
  for (const absl::Status& status :
       {CheckAtLeast("interval", options.interval, kLeastWatchdogInterval,
                     "for processor time is counted in ticks of 10ms"),
        CheckAtLeast("stall_warn", options.stall_warn, kStaleHeartbeat,
                     "the silence of two missing heartbeats"),
        CheckAtLeast("stall_warn", options.stall_warn, options.interval, "watchdog.interval"),
        CheckAtLeast("stall_kill", options.stall_kill, options.stall_warn, "watchdog.stall_warn"),
        CheckAtLeast("request_timeout", options.request_timeout, options.stall_warn,
                     "watchdog.stall_warn"),
        CheckAtLeast("stopped_kill", options.stopped_kill, options.interval, "watchdog.interval"),
        CheckAtLeast("abort_grace", options.abort_grace, absl::ZeroDuration(),
                     "which means SIGKILL at the next look")}) {
    if (!status.ok()) return status;
  }
  if (options.interval == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        "watchdog.interval must be finite; infinite watchdog.stall_warn and stopped_kill turn the "
        "watchdog off");
  }
  if (options.abort_grace == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError("watchdog.abort_grace must be finite, not inf");
  }
  return absl::OkStatus();
}

}  // namespace squall
