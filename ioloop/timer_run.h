// Internal to ioloop: timers that came in the order of their deadlines, as those with one and the
// same delay do; the earliest in front.
#ifndef SQUALL_IOLOOP_TIMER_RUN_H_
#define SQUALL_IOLOOP_TIMER_RUN_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "squall/ioloop/timer_entry.h"

namespace squall::internal {

class TimerRun {
 public:
  bool empty() const { return begin_ == entries_.size(); }
  size_t size() const { return entries_.size() - begin_; }
  // Must not be empty.
  const TimerEntry& front() const { return entries_[begin_]; }
  const TimerEntry& back() const { return entries_.back(); }

  // `entry` must not be before back().
  void PushBack(TimerEntry entry) {
    if (begin_ > kMinHole && begin_ * 2 > entries_.size()) CloseHole();
    entries_.push_back(entry);
  }

  void PopFront() {
    if (++begin_ == entries_.size()) {
      entries_.clear();
      begin_ = 0;
    }
  }

  // Takes out what `remove` says of a node; O(size).
  template <typename Remove>
  void RemoveIf(Remove remove) {
    CloseHole();
    entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                  [&](const TimerEntry& entry) { return remove(entry.node); }),
                   entries_.end());
  }

 private:
  static constexpr size_t kMinHole = 64;

  void CloseHole() {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }

  // From begin_ on; what is before has gone.
  std::vector<TimerEntry> entries_;
  size_t begin_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_RUN_H_
