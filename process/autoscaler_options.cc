#include "squall/process/autoscaler_options.h"

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

absl::Status CheckAtLeast(std::string_view name, int value, int least, std::string_view what) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("autoscaler.", ToAbsl(name), " must be at least ",
                                                 ToAbsl(what), least, ", not ", value));
}

}  // namespace

std::string_view AutoscalerModeName(AutoscalerMode mode) {
  switch (mode) {
    case AutoscalerMode::kStatic:
      return "static";
    case AutoscalerMode::kSpare:
      return "spare";
    case AutoscalerMode::kBacklog:
      return "backlog";
    case AutoscalerMode::kCpu:
      return "cpu";
  }
  return "unknown";
}

absl::Status Validate(const AutoscalerOptions& options) {
  for (const absl::Status& status :
       {CheckAtLeast("min_workers", options.min_workers, 1, ""),
        CheckAtLeast("max_workers", options.max_workers.value_or(options.min_workers),
                     options.min_workers, "autoscaler.min_workers, "),
        CheckAtLeast("min_spare", options.min_spare, 1, ""),
        CheckAtLeast("max_spare", options.max_spare, options.min_spare + 1,
                     "one more than autoscaler.min_spare, "),
        CheckAtLeast("backlog_target", options.backlog_target, 1, ""),
        CheckAtLeast("max_spawn_rate", options.max_spawn_rate, 1, "")}) {
    if (!status.ok()) return status;
  }
  if (!(options.cpu_low >= 0 && options.cpu_low < options.cpu_high)) {
    return absl::InvalidArgumentError(
        absl::StrCat("autoscaler.cpu_low must be at least 0 and below autoscaler.cpu_high (",
                     options.cpu_high, "), not ", options.cpu_low));
  }
  if (!(options.cpu_high <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "autoscaler.cpu_high is a fraction of one processor, at most 1, not ", options.cpu_high));
  }
  if (options.interval < absl::Milliseconds(100) || options.interval > absl::Minutes(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("autoscaler.interval must be between 100ms and 1m, not ",
                     absl::FormatDuration(options.interval)));
  }
  if (options.scale_down_hold < absl::ZeroDuration() || options.scale_down_hold > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat("autoscaler.scale_down_hold must be between 0 and 24h, not ",
                     absl::FormatDuration(options.scale_down_hold)));
  }
  return absl::OkStatus();
}

}  // namespace squall
