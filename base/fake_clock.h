// A Clock that stands still until a test advances it. Tests only, one thread.
//
//   squall::FakeClock clock;
//   const squall::MonotonicTime begun = clock.Now();
//   clock.Advance(absl::Seconds(30));
//   EXPECT_EQ(clock.Now() - begun, absl::Seconds(30));
#ifndef SQUALL_BASE_FAKE_CLOCK_H_
#define SQUALL_BASE_FAKE_CLOCK_H_

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall {

class FakeClock : public Clock {
 public:
  // Starts one hour after boot, at 2026-01-01T00:00:00Z, so that tests may subtract.
  FakeClock() = default;

  MonotonicTime Now() override { return now_; }
  absl::Time WallNow() override { return wall_now_; }

  // Moves both times by `by`; a monotonic clock refuses to go back, so a negative `by` moves the
  // wall only.
  void Advance(absl::Duration by) {
    if (by > absl::ZeroDuration()) now_ += by;
    wall_now_ += by;
  }

 private:
  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
  absl::Time wall_now_ = absl::FromUnixSeconds(1767225600);
};

}  // namespace squall

#endif  // SQUALL_BASE_FAKE_CLOCK_H_
