#include "squall/ioloop/timer_wheel.h"

#include <cstdint>
#include <utility>

#include "squall/base/clock.h"
#include "squall/ioloop/timer_node.h"

namespace squall::internal {

[[gnu::hot]] TimerNode* TimerWheel::TakeBegun(MonotonicTime now) {
  if (!HasBegun(now)) return nullptr;
  const int64_t now_tick = Tick(now);
  if (!empty()) {
    const uint32_t number = FirstBucket();
    const int shift = static_cast<int>(number / kBuckets) * kDigitBits;
    // The current tick with the digit of the bucket, and zeros below.
    const int64_t begin = (current_tick_ >> (shift + kDigitBits) << (shift + kDigitBits)) |
                          (int64_t{number % kBuckets} << shift);
    if (begin <= now_tick) {
      current_tick_ = begin;
      return TakeList(number);
    }
  }
  // No bucket begins until now, so none changes its level.
  current_tick_ = now_tick;
  return nullptr;
}

TimerNode* TimerWheel::TakeAny() { return empty() ? nullptr : TakeList(FirstBucket()); }

TimerNode* TimerWheel::TakeList(uint32_t number) {
  MarkEmpty(number);
  return std::exchange(buckets_[number].first, nullptr);
}

}  // namespace squall::internal
