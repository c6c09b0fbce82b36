#include "squall/process/pool_options.h"

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// Every wait has a deadline, so none of these may be infinite.
absl::Status CheckPositive(absl::Duration value, std::string_view name) {
  if (value > absl::ZeroDuration() && value < absl::InfiniteDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(ToAbsl(name), " must be positive and finite, not ",
                                                 absl::FormatDuration(value)));
}

}  // namespace

absl::Status Validate(const PoolOptions& options) {
  if (options.max_workers < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_workers must be at least 1, not ", options.max_workers));
  }
  if (options.desired < 0 || options.desired > options.max_workers) {
    return absl::InvalidArgumentError(
        absl::StrCat("the number of workers must be between 0 and max_workers (",
                     options.max_workers, "), not ", options.desired));
  }
  if (options.surge_slots < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("surge_slots must not be negative: ", options.surge_slots));
  }
  if (options.restart.max_unavailable == 0 && options.surge_slots == 0) {
    return absl::InvalidArgumentError(
        "surge_slots is 0, so that a restart needs restart.max_unavailable of at least 1");
  }
  if (options.max_restarts.has_value() && *options.max_restarts < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_restarts must not be negative: ", *options.max_restarts));
  }
  if (options.breaker.deaths < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("breaker.deaths must not be negative: ", options.breaker.deaths));
  }
  if (options.drain.grace < absl::ZeroDuration() ||
      options.drain.grace == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("drain.grace must be finite and not negative: ",
                                                   absl::FormatDuration(options.drain.grace)));
  }
  if (options.drain.idle_close_after.has_value() &&
      *options.drain.idle_close_after < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("drain.idle_close_after must not be negative: ",
                     absl::FormatDuration(*options.drain.idle_close_after)));
  }
  for (const absl::Status& status : {CheckPositive(options.boot_timeout, "boot_timeout"),
                                     CheckPositive(options.drain.kill_after, "drain.kill_after"),
                                     CheckPositive(options.breaker.window, "breaker.window"),
                                     CheckPositive(options.breaker.cool_down, "breaker.cool_down"),
                                     Validate(options.backoff), Validate(options.restart)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace squall
