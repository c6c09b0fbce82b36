// Internal to ioloop: timers in any order; the earliest on top.
//
// A heap with four children per node: half as deep as a binary one, and the four that are compared
// lie in one or two cache lines. timer_benchmark.cc measures it.
#ifndef SQUALL_IOLOOP_TIMER_HEAP_H_
#define SQUALL_IOLOOP_TIMER_HEAP_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "squall/ioloop/timer_entry.h"

namespace squall::internal {

class TimerHeap {
 public:
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // Must not be empty.
  const TimerEntry& front() const { return entries_.front(); }

  void Push(TimerEntry entry) {
    size_t hole = entries_.size();
    entries_.push_back(entry);
    while (hole > 0) {
      const size_t parent = (hole - 1) / kChildren;
      if (!(entry < entries_[parent])) break;
      entries_[hole] = entries_[parent];
      hole = parent;
    }
    entries_[hole] = entry;
  }

  void PopFront() {
    const TimerEntry last = entries_.back();
    entries_.pop_back();
    if (!entries_.empty()) SiftDown(0, last);
  }

  // Takes out what `remove` says of a node; O(size).
  template <typename Remove>
  void RemoveIf(Remove remove) {
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                  [&](const TimerEntry& entry) { return remove(entry.node); }),
                   entries_.end());
    for (size_t i = entries_.size() / kChildren + 1; i-- > 0;) {
      if (i < entries_.size()) SiftDown(i, entries_[i]);
    }
  }

 private:
  static constexpr size_t kChildren = 4;

  // Puts `entry` into the place `hole` or below it.
  void SiftDown(size_t hole, TimerEntry entry) {
    const size_t size = entries_.size();
    while (true) {
      const size_t first = hole * kChildren + 1;
      if (first >= size) break;
      size_t least = first;
      const size_t end = std::min(first + kChildren, size);
      for (size_t child = first + 1; child < end; ++child) {
        if (entries_[child] < entries_[least]) least = child;
      }
      if (!(entries_[least] < entry)) break;
      entries_[hole] = entries_[least];
      hole = least;
    }
    entries_[hole] = entry;
  }

  std::vector<TimerEntry> entries_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_HEAP_H_
