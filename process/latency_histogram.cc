#include "squall/process/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace squall {

void LatencyHistogram::Record(absl::Duration time) {
  const auto nanos =
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(std::max(time, absl::ZeroDuration())));
  ++buckets_[static_cast<size_t>(BucketOf(nanos / 1000))];
  sum_ns_ += nanos;
  max_ns_ = std::max(max_ns_, nanos);
}

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) {
  // Each side's own longest, so that what was subtracted from one does not show in the sum.
  max_ns_ = static_cast<uint64_t>(absl::ToInt64Nanoseconds(std::max(max(), other.max())));
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  sum_ns_ += other.sum_ns_;
  return *this;
}

LatencyHistogram& LatencyHistogram::operator-=(const LatencyHistogram& earlier) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] -= earlier.buckets_[i];
  sum_ns_ -= earlier.sum_ns_;
  return *this;
}

uint64_t LatencyHistogram::count() const {
  return std::accumulate(buckets_.begin(), buckets_.end(), uint64_t{0});
}

absl::Duration LatencyHistogram::max() const {
  const absl::Duration longest = absl::Nanoseconds(max_ns_);
  for (int bucket = kNumBuckets - 1; bucket >= 0; --bucket) {
    if (count(bucket) == 0) continue;
    if (bucket == kNumBuckets - 1) return longest;
    return std::min(longest, absl::Microseconds(LowerBoundMicros(bucket + 1)));
  }
  return absl::ZeroDuration();
}

absl::Duration LatencyHistogram::Quantile(double q) const {
  const uint64_t all = count();
  const absl::Duration longest = max();
  // The how-manieth of all, in order of their times, is asked for.
  const double rank = std::clamp(std::ceil(q * static_cast<double>(all)), 1.0,
                                 static_cast<double>(std::max<uint64_t>(all, 1)));
  double before = 0;
  for (int bucket = 0; bucket < kNumBuckets - 1; ++bucket) {
    const auto here = static_cast<double>(count(bucket));
    if (before + here >= rank) {
      // As if the times of a bucket were spread evenly.
      const absl::Duration low = absl::Microseconds(LowerBoundMicros(bucket));
      const absl::Duration high = absl::Microseconds(LowerBoundMicros(bucket + 1));
      return std::min(longest, low + (high - low) * ((rank - before) / here));
    }
    before += here;
  }
  return longest;
}

}  // namespace squall
