// How long requests took, as counts in buckets that a worker fills and any reader adds up.
//
//   LatencyHistogram latency = scoreboard.Read(now).latency;   // of the pool
//   latency -= a_minute_ago;                                   // of the last minute
//   std::cout << latency.Quantile(0.99) << " of " << latency.count() << " requests\n";
//
// The buckets are log-linear in microseconds: one below 64 µs, then four for each doubling, up to
// 67 s, then one for what took longer. So a quantile is wrong by at most a quarter of itself, and
// histograms of many workers can be added, as their quantiles could not.
#ifndef SQUALL_PROCESS_LATENCY_HISTOGRAM_H_
#define SQUALL_PROCESS_LATENCY_HISTOGRAM_H_

#include <array>
#include <bit>
#include <cstdint>

#include "absl/time/time.h"

namespace squall {

// A copy of the counts. Any thread that owns it.
class LatencyHistogram {
 public:
  // 64 µs · 2^20 = 67 s.
  static constexpr int kOctaves = 20;
  static constexpr int kNumBuckets = 1 + 4 * kOctaves + 1;

  // The bucket, 0 … kNumBuckets − 1, of a time in microseconds. A few instructions.
  static constexpr int BucketOf(uint64_t micros) {
    if (micros < kFirst) return 0;
    const int octave = std::bit_width(micros) - std::bit_width(kFirst);
    if (octave >= kOctaves) return kNumBuckets - 1;
    // The two bits behind the first one say which quarter of the octave it is.
    return 1 + 4 * octave + static_cast<int>(micros >> (octave + std::bit_width(kFirst) - 3) & 3);
  }
  // The least time of a bucket, in microseconds; that of the next one is where it ends.
  static constexpr uint64_t LowerBoundMicros(int bucket) {
    if (bucket == 0) return 0;
    const int octave = (bucket - 1) / 4;
    return (kFirst << octave) + (kFirst / 4 << octave) * static_cast<uint64_t>((bucket - 1) % 4);
  }

  // Counts as a worker does; negative times count as 0.
  void Record(absl::Duration time);

  LatencyHistogram& operator+=(const LatencyHistogram& other);
  // `earlier` is an earlier copy of the same histogram. max() is then as exact as the buckets are.
  LatencyHistogram& operator-=(const LatencyHistogram& earlier);

  uint64_t count() const;
  uint64_t count(int bucket) const { return buckets_[static_cast<size_t>(bucket)]; }
  // Of all times together; with count() it gives the mean.
  absl::Duration sum() const { return absl::Nanoseconds(sum_ns_); }
  // The longest. 0 when there was none.
  absl::Duration max() const;
  // A time that the share `q`, 0 … 1, of the requests did not exceed; Quantile(0.5) is the median.
  // 0 when there was none.
  absl::Duration Quantile(double q) const;

 private:
  friend class WorkerRow;

  static constexpr uint64_t kFirst = 64;

  std::array<uint64_t, kNumBuckets> buckets_{};
  uint64_t sum_ns_ = 0;
  uint64_t max_ns_ = 0;  // At least the longest; what was subtracted may be in it.
};

}  // namespace squall

#endif  // SQUALL_PROCESS_LATENCY_HISTOGRAM_H_
