#include "squall/process/recycle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace squall {
namespace {

// The factor by which one limit is smaller than its option.
double Draw(double jitter, std::minstd_rand& random) {
  return 1 - jitter * std::uniform_real_distribution<double>(0, 1)(random);
}

// An option of 0, "no limit", stays 0, and no other becomes 0.
uint64_t Scaled(int64_t limit, double factor) {
  if (limit == 0) return 0;
  return std::max<uint64_t>(1, static_cast<uint64_t>(static_cast<double>(limit) * factor));
}

std::string Mebibytes(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

absl::Status Validate(const RecycleOptions& options) {
  if (options.max_requests < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "recycle.max_requests must not be negative (0: no limit), not ", options.max_requests));
  }
  if (options.max_rss < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("recycle.max_rss must not be negative (0: no limit), not ", options.max_rss));
  }
  if (options.min_lifetime < absl::ZeroDuration() ||
      options.min_lifetime == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("recycle.min_lifetime must be finite and not negative, not ",
                     absl::FormatDuration(options.min_lifetime)));
  }
  if (options.max_lifetime <= absl::ZeroDuration() || options.max_lifetime < options.min_lifetime) {
    return absl::InvalidArgumentError(
        absl::StrCat("recycle.max_lifetime must be positive and at least recycle.min_lifetime (",
                     absl::FormatDuration(options.min_lifetime), "), not ",
                     absl::FormatDuration(options.max_lifetime)));
  }
  if (!(options.jitter >= 0 && options.jitter <= 0.5)) {
    return absl::InvalidArgumentError(
        absl::StrCat("recycle.jitter is a fraction between 0 and 0.5, not ", options.jitter));
  }
  return absl::OkStatus();
}

RecycleLimits::RecycleLimits(const RecycleOptions& options, std::minstd_rand& random)
    : max_requests_(Scaled(options.max_requests, Draw(options.jitter, random))),
      max_lifetime_(options.max_lifetime * Draw(options.jitter, random)),
      max_rss_(Scaled(options.max_rss, Draw(options.jitter, random))),
      min_lifetime_(options.min_lifetime) {}

std::optional<std::string> RecycleLimits::Due(const RecycleSample& sample) const {
  if (sample.age < min_lifetime_) return std::nullopt;
  if (max_requests_ != 0 && sample.requests >= max_requests_) {
    return absl::StrCat("served ", sample.requests, " requests, limit ", max_requests_);
  }
  if (sample.age >= max_lifetime_) {
    const auto readable = [](absl::Duration duration) {
      return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
    };
    return absl::StrCat("served for ", readable(sample.age), ", limit ", readable(max_lifetime_));
  }
  if (max_rss_ != 0 && sample.rss_bytes >= max_rss_) {
    return absl::StrCat("uses ", Mebibytes(sample.rss_bytes), " of memory, limit ",
                        Mebibytes(max_rss_));
  }
  return std::nullopt;
}

}  // namespace squall
