// Internal to ioloop: timers that are not due soon, roughly by deadline. Adding one and taking one out
// costs the same beside a million others as alone.
//
// A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7). Time is counted in ticks of 1.05 ms,
// and a tick has digits of six bits. A timer stands in the bucket of the highest digit in which its
// tick differs from the current one. So all of the lowest level that has any come before those of the
// levels above, and they change level only when the current tick reaches their bucket.
#ifndef SQUALL_IOLOOP_TIMER_WHEEL_H_
#define SQUALL_IOLOOP_TIMER_WHEEL_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "squall/base/clock.h"
#include "squall/ioloop/timer_node.h"

namespace squall::internal {

class TimerWheel {
 public:
  // Whether the wheel can take it: its tick has not begun.
  bool Takes(MonotonicTime deadline) const { return Tick(deadline) > current_tick_; }

  // Must be one that it takes.
  void Add(TimerNode* node) {
    const uint32_t number = BucketOf(node->deadline);
    Bucket& bucket = buckets_[number];
    node->state = TimerNode::State::kInWheel;
    node->position = number;
    node->previous = nullptr;
    node->next = bucket.first;
    if (bucket.first != nullptr) {
      bucket.first->previous = node;
      if (node->deadline < bucket.earliest) bucket.earliest = node->deadline;
    } else {
      bucket.earliest = node->deadline;
      levels_ |= 1u << (number / kBuckets);
      filled_[number / kBuckets] |= uint64_t{1} << (number % kBuckets);
    }
    bucket.first = node;
  }

  // Must be in it.
  void Remove(TimerNode* node) {
    TimerNode* const next = node->next;
    if (next != nullptr) next->previous = node->previous;
    if (node->previous != nullptr) {
      node->previous->next = next;
    } else {
      buckets_[node->position].first = next;
      if (next == nullptr) MarkEmpty(node->position);
    }
  }

  bool empty() const { return levels_ == 0; }

  // No timer is earlier. A timer may be that early, or one that was removed since; in that case the
  // bound is better once it is past. Must not be empty.
  MonotonicTime EarliestBound() const { return buckets_[FirstBucket()].earliest; }

  // Whether TakeBegun() would do anything.
  bool HasBegun(MonotonicTime now) const { return Tick(now) > current_tick_; }
  // Takes out a list of timers, by `next`: all whose ticks have begun at `now` are in one of the lists
  // of repeated calls, and the others of the list are to be added again. Null when there is none.
  TimerNode* TakeBegun(MonotonicTime now);

  // Takes out all, as a list.
  TimerNode* TakeAny();

 private:
  static constexpr int kTickBits = 20;
  static constexpr int kDigitBits = 6;
  static constexpr int kBuckets = 1 << kDigitBits;
  static constexpr int kLevels = (63 - kTickBits + kDigitBits - 1) / kDigitBits;

  struct Bucket {
    TimerNode* first = nullptr;
    // Of all that were added since it was empty.
    MonotonicTime earliest;
  };

  static int64_t Tick(MonotonicTime time) { return time.nanos() >> kTickBits; }

  uint32_t BucketOf(MonotonicTime deadline) const {
    const uint64_t tick = static_cast<uint64_t>(Tick(deadline));
    const uint64_t differing = tick ^ static_cast<uint64_t>(current_tick_);
    const int level = (63 - std::countl_zero(differing)) / kDigitBits;
    return level * kBuckets + ((tick >> (level * kDigitBits)) & (kBuckets - 1));
  }

  uint32_t FirstBucket() const {
    const int level = std::countr_zero(levels_);
    return level * kBuckets + std::countr_zero(filled_[level]);
  }

  void MarkEmpty(uint32_t number) {
    uint64_t& filled = filled_[number / kBuckets];
    filled &= ~(uint64_t{1} << (number % kBuckets));
    if (filled == 0) levels_ &= ~(1u << (number / kBuckets));
  }

  TimerNode* TakeList(uint32_t number);

  int64_t current_tick_ = 0;
  uint32_t levels_ = 0;            // Those that have timers, a bit each.
  uint64_t filled_[kLevels] = {};  // The buckets of each level that have.
  Bucket buckets_[kLevels * kBuckets];
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_WHEEL_H_
