// Delays between attempts: none, then `initial`, then `multiplier` times more each time up to
// `max`.
//
//   Backoff backoff(BackoffOptions{});
//   std::minstd_rand random(seed);
//   backoff.Next(random);  // 0: the first retry is free
//   backoff.Next(random);  // 80 … 100 ms
//   backoff.Next(random);  // 160 … 200 ms
//   backoff.Reset();
//
// Pure: no clock, no system call, randomness comes from the caller. Used by one thread.
#ifndef SQUALL_PROCESS_BACKOFF_H_
#define SQUALL_PROCESS_BACKOFF_H_

#include <random>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(100);
  double multiplier = 2;
  absl::Duration max = absl::Seconds(30);
  // A delay d becomes a random one in [(1 − jitter)·d, d], so that slots that died together do not
  // return together and `max` stays the maximum.
  double jitter = 0.2;
  // A worker that was READY this long before it died starts again without delay.
  absl::Duration healthy_after = absl::Seconds(60);
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense.
absl::Status Validate(const BackoffOptions& options);

class Backoff {
 public:
  enum class First {
    kFree,     // The first delay is 0.
    kInitial,  // The first delay is `initial`.
  };

  explicit Backoff(const BackoffOptions& options, First first = First::kFree);

  // The delay before the next attempt; each call counts one failed attempt.
  absl::Duration Next(std::minstd_rand& random);

  // Other delays from the next one on; the failures stay counted.
  void SetOptions(const BackoffOptions& options) { options_ = options; }

  // Forgets all failures.
  void Reset();

  // Failed attempts since the last Reset.
  int failures() const { return failures_; }

 private:
  BackoffOptions options_;
  First first_;
  int failures_ = 0;
  absl::Duration delay_ = absl::ZeroDuration();  // The last one, before jitter.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_BACKOFF_H_
