// Time that never jumps, and a clock that a test can turn.
//
//   const squall::MonotonicTime deadline = squall::Clock::Real().Now() + absl::Seconds(30);
//   if (squall::Clock::Real().Now() >= deadline) GiveUp();
//
// MonotonicTime and absl::Time are different types on purpose: a deadline computed from the wall
// clock fires early or never when somebody sets the date. Any thread.
#ifndef SQUALL_BASE_CLOCK_H_
#define SQUALL_BASE_CLOCK_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace squall {

// A point of CLOCK_MONOTONIC with nanosecond resolution. The same in all processes of one machine,
// so it may stand in shared memory; meaningless after a reboot. Arithmetic saturates at Infinite()
// and at 0.
class MonotonicTime {
 public:
  // The origin, long before any Now().
  constexpr MonotonicTime() = default;
  static constexpr MonotonicTime FromNanos(int64_t nanos) { return MonotonicTime(nanos); }
  // Later than everything: never.
  static constexpr MonotonicTime Infinite() {
    return MonotonicTime(std::numeric_limits<int64_t>::max());
  }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr bool is_infinite() const { return *this == Infinite(); }

  friend MonotonicTime operator+(MonotonicTime time, absl::Duration by) {
    if (time.is_infinite() || by == absl::InfiniteDuration()) return Infinite();
    // ToInt64Nanoseconds saturates, so only the sum can overflow.
    const int64_t delta = absl::ToInt64Nanoseconds(by);
    int64_t sum;
    if (__builtin_add_overflow(time.nanos_, delta, &sum))
      return delta > 0 ? Infinite() : MonotonicTime();
    return MonotonicTime(sum < 0 ? 0 : sum);
  }
  friend MonotonicTime operator-(MonotonicTime time, absl::Duration by) { return time + -by; }
  // Infinite when only `a` is; zero when both are.
  friend absl::Duration operator-(MonotonicTime a, MonotonicTime b) {
    if (a.is_infinite() != b.is_infinite()) {
      return a.is_infinite() ? absl::InfiniteDuration() : -absl::InfiniteDuration();
    }
    return absl::Nanoseconds(a.nanos_ - b.nanos_);
  }
  MonotonicTime& operator+=(absl::Duration by) { return *this = *this + by; }
  MonotonicTime& operator-=(absl::Duration by) { return *this = *this - by; }

  friend constexpr auto operator<=>(MonotonicTime, MonotonicTime) = default;

 private:
  explicit constexpr MonotonicTime(int64_t nanos) : nanos_(nanos) {}

  int64_t nanos_ = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;

  // CLOCK_MONOTONIC; never goes back.
  virtual MonotonicTime Now() = 0;
  // What Real().Now() gives, without the calls on the way.
  static MonotonicTime RealNow();
  // CLOCK_REALTIME, for people and protocols, never for deadlines.
  virtual absl::Time WallNow() = 0;

  // The machine's clock; lives for ever.
  static Clock& Real();
};

}  // namespace squall

#endif  // SQUALL_BASE_CLOCK_H_
