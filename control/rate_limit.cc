#include "squall/control/rate_limit.h"

#include <algorithm>
#include <mutex>

namespace squall::internal {

absl::Duration RateLimit::Take(MonotonicTime now, const Rate& rate) {
  const absl::Duration each = absl::Seconds(1) / rate.per_second;
  const std::lock_guard lock(mutex_);
  const MonotonicTime full_at = std::max(full_at_, now);
  const absl::Duration wait = full_at - now - each * (rate.burst - 1);
  if (wait > absl::ZeroDuration()) return wait;
  full_at_ = full_at + each;
  return absl::ZeroDuration();
}

}  // namespace squall::internal
