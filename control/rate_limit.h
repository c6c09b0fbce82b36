// Internal: so many at once, and then so many a second.
//
//   RateLimit limit;
//   const absl::Duration wait = limit.Take(now, {.per_second = 20, .burst = 2000});
//   if (wait > absl::ZeroDuration()) Refuse(wait);
//
// A token bucket, kept as the time at which it is full again (the generic cell rate algorithm), so that
// nothing has to fill it. Any thread.
#ifndef SQUALL_CONTROL_RATE_LIMIT_H_
#define SQUALL_CONTROL_RATE_LIMIT_H_

#include <mutex>

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall::internal {

class RateLimit {
 public:
  struct Rate {
    double per_second = 1;  // above zero
    int burst = 1;          // at least 1
  };

  // Takes one, zero; or takes nothing and says after which time there is one.
  absl::Duration Take(MonotonicTime now, const Rate& rate);

 private:
  std::mutex mutex_;
  MonotonicTime full_at_;  // guarded by mutex_
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_RATE_LIMIT_H_
