#include "squall/process/restart_options.h"

#include "absl/strings/str_cat.h"

namespace squall {

absl::Status Validate(const RestartOptions& options) {
  if (options.max_surge.has_value() && *options.max_surge < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.max_surge must not be negative: ", *options.max_surge));
  }
  if (options.max_unavailable < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.max_unavailable must not be negative: ", options.max_unavailable));
  }
  if (options.max_surge == 0 && options.max_unavailable == 0) {
    return absl::InvalidArgumentError(
        "restart.max_surge and restart.max_unavailable are both 0, so that no worker could ever be "
        "replaced; one of them must be at least 1");
  }
  if (options.ready_timeout.has_value() && (*options.ready_timeout <= absl::ZeroDuration() ||
                                            *options.ready_timeout == absl::InfiniteDuration())) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.ready_timeout must be positive and finite, not ",
                     absl::FormatDuration(*options.ready_timeout)));
  }
  if (options.min_healthy.has_value() && *options.min_healthy < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.min_healthy must not be negative: ", *options.min_healthy));
  }
  if (options.soak < absl::ZeroDuration() || options.soak == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("restart.soak must be finite and not negative: ",
                                                   absl::FormatDuration(options.soak)));
  }
  if (options.max_failures < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("restart.max_failures must be at least 1, not ", options.max_failures));
  }
  return absl::OkStatus();
}

}  // namespace squall
