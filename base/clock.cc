#include "squall/base/clock.h"

#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace squall {
namespace {

class RealClock : public Clock {
 public:
  MonotonicTime Now() override { return RealNow(); }
  absl::Time WallNow() override { return absl::Now(); }
};

}  // namespace

[[gnu::hot]] MonotonicTime Clock::RealNow() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return MonotonicTime::FromNanos(now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec);
}

Clock& Clock::Real() {
  static RealClock& clock = *new RealClock;
  return clock;
}

}  // namespace squall
