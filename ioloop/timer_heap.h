// Internal to ioloop: timers in the order of their deadlines, the earliest on top.
//
// A heap whose nodes have four children, which stand side by side: half as deep as a binary one. Each
// timer knows its place, so that it can be taken out from the middle.
#ifndef SQUALL_IOLOOP_TIMER_HEAP_H_
#define SQUALL_IOLOOP_TIMER_HEAP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "squall/base/clock.h"
#include "squall/ioloop/timer_node.h"

namespace squall::internal {

class TimerHeap {
 public:
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // Must not be empty.
  MonotonicTime NextDeadline() const { return entries_.front().deadline; }

  void Add(TimerNode* node) {
    node->state = TimerNode::State::kInHeap;
    entries_.push_back({});
    Rise(entries_.size() - 1, {node->deadline, node});
  }

  // Must be in it.
  void Remove(TimerNode* node) {
    const size_t position = node->position;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (last.node == node) return;
    if (position > 0 && last.Before(entries_[Parent(position)])) {
      Rise(position, last);
    } else {
      Sink(position, last);
    }
  }

  // Must not be empty.
  TimerNode* TakeTop() {
    TimerNode* const top = entries_.front().node;
    Remove(top);
    return top;
  }

 private:
  static constexpr size_t kChildren = 4;

  struct Entry {
    // Looks at the timers only where the deadlines are the same.
    bool Before(const Entry& other) const {
      if (deadline != other.deadline) return deadline < other.deadline;
      return node->Before(*other.node);
    }
    MonotonicTime deadline;
    TimerNode* node;
  };

  static size_t Parent(size_t position) { return (position - 1) / kChildren; }

  void Put(size_t position, const Entry& entry) {
    entries_[position] = entry;
    entry.node->position = static_cast<uint32_t>(position);
  }

  void Rise(size_t position, const Entry& entry) {
    for (; position > 0 && entry.Before(entries_[Parent(position)]); position = Parent(position)) {
      Put(position, entries_[Parent(position)]);
    }
    Put(position, entry);
  }

  void Sink(size_t position, const Entry& entry) {
    while (true) {
      const size_t first = position * kChildren + 1;
      if (first >= entries_.size()) break;
      const size_t end = std::min(first + kChildren, entries_.size());
      size_t least = first;
      for (size_t child = first + 1; child < end; ++child) {
        if (entries_[child].Before(entries_[least])) least = child;
      }
      if (!entries_[least].Before(entry)) break;
      Put(position, entries_[least]);
      position = least;
    }
    Put(position, entry);
  }

  std::vector<Entry> entries_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_HEAP_H_
