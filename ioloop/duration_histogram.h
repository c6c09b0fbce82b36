// How often things took how long, in powers of two: a fixed table of counters, so that adding to it
// costs a few instructions and no memory.
//
//   DurationHistogram turns;
//   turns.Add(absl::Microseconds(130));
//   LOG(INFO) << "99 of 100 turns took less than " << turns.Quantile(0.99);  // 131.072us
//
// Used by one thread; copy it to hand it on.
#ifndef SQUALL_IOLOOP_DURATION_HISTOGRAM_H_
#define SQUALL_IOLOOP_DURATION_HISTOGRAM_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace squall {

class DurationHistogram {
 public:
  // Bucket i counts the durations below UpperBound(i) that the bucket before does not count; the
  // last counts all that are longer.
  static constexpr size_t kBuckets = 40;

  // 2^i nanoseconds; infinite for the last, which begins at 4.6 minutes.
  static absl::Duration UpperBound(size_t i) {
    return i + 1 < kBuckets ? absl::Nanoseconds(int64_t{1} << i) : absl::InfiniteDuration();
  }

  // A negative duration counts as none.
  void Add(absl::Duration duration) { AddNanos(absl::ToInt64Nanoseconds(duration)); }
  void AddNanos(int64_t nanos) {
    const size_t width = nanos > 0 ? std::bit_width(static_cast<uint64_t>(nanos)) : 0;
    ++buckets_[width < kBuckets ? width : kBuckets - 1];
  }

  uint64_t bucket(size_t i) const { return buckets_[i]; }
  // Of all buckets.
  uint64_t count() const {
    uint64_t sum = 0;
    for (const uint64_t n : buckets_) sum += n;
    return sum;
  }
  // The upper bound of the bucket in which the share `q` of all durations, 0 to 1, is reached: at
  // most twice the true quantile. Zero when nothing was added.
  absl::Duration Quantile(double q) const {
    const uint64_t all = count();
    if (all == 0) return absl::ZeroDuration();
    uint64_t sum = 0;
    size_t i = 0;
    while (i + 1 < kBuckets && (sum += buckets_[i]) < q * static_cast<double>(all)) ++i;
    while (buckets_[i] == 0 && i + 1 < kBuckets) ++i;  // q is 0.
    return UpperBound(i);
  }

 private:
  std::array<uint64_t, kBuckets> buckets_{};
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_DURATION_HISTOGRAM_H_
