#include "squall/process/backoff.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace squall {

absl::Status Validate(const BackoffOptions& options) {
  if (options.initial <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("backoff.initial must be positive, not ",
                                                   absl::FormatDuration(options.initial)));
  }
  if (options.max < options.initial || options.max == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "backoff.max must be finite and at least backoff.initial (",
        absl::FormatDuration(options.initial), "), not ", absl::FormatDuration(options.max)));
  }
  if (!(options.multiplier >= 1) || !std::isfinite(options.multiplier)) {
    return absl::InvalidArgumentError(
        absl::StrCat("backoff.multiplier must be at least 1, not ", options.multiplier));
  }
  if (!(options.jitter >= 0 && options.jitter <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("backoff.jitter is a fraction between 0 and 1, not ", options.jitter));
  }
  if (options.healthy_after < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat("backoff.healthy_after must not be negative: ",
                                                   absl::FormatDuration(options.healthy_after)));
  }
  return absl::OkStatus();
}

Backoff::Backoff(const BackoffOptions& options, First first) : options_(options), first_(first) {}

absl::Duration Backoff::Next(std::minstd_rand& random) {
  ++failures_;
  if (failures_ == 1 && first_ == First::kFree) return absl::ZeroDuration();
  delay_ = delay_ == absl::ZeroDuration() ? options_.initial
                                          : std::min(delay_ * options_.multiplier, options_.max);
  const double fraction = static_cast<double>(random() - std::minstd_rand::min()) /
                          (std::minstd_rand::max() - std::minstd_rand::min());
  return delay_ * (1 - options_.jitter * fraction);
}

void Backoff::Reset() {
  failures_ = 0;
  delay_ = absl::ZeroDuration();
}

}  // namespace squall
