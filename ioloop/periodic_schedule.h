// Internal to ioloop: when a PeriodicCallback is due next.
//
//   PeriodicSchedule schedule(absl::Seconds(10), /*jitter=*/0.1);
//   schedule.Restart(now);
//   MonotonicTime next = schedule.Next(now, /*random=*/0.5);  // now + 10 s
//
// Source: PeriodicCallback._update_next.
#ifndef SQUALL_IOLOOP_PERIODIC_SCHEDULE_H_
#define SQUALL_IOLOOP_PERIODIC_SCHEDULE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall::internal {

class PeriodicSchedule {
 public:
  PeriodicSchedule(absl::Duration period, double jitter) : period_(period), jitter_(jitter) {}

  void Restart(MonotonicTime now) { next_ = now; }

  // `random` is from 0 to 1, and does nothing without jitter.
  MonotonicTime Next(MonotonicTime now, double random) {
    // A number of nanoseconds, for at least one: a tiny period must not stand still.
    const int64_t period =
        std::max<int64_t>(1, absl::ToInt64Nanoseconds(period_ * (1 + jitter_ * (random - 0.5))));
    // From start to start. A call that took too long skips whole cycles; a clock that went back does
    // not have the same time come again.
    const int64_t behind = std::max<int64_t>(0, now.nanos() - next_.nanos());
    next_ += absl::Nanoseconds(behind - behind % period);
    next_ += absl::Nanoseconds(period);
    return next_;
  }

 private:
  const absl::Duration period_;
  const double jitter_;
  MonotonicTime next_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_PERIODIC_SCHEDULE_H_
