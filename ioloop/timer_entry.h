// Internal to ioloop: a timer, and its place in the order of deadlines.
#ifndef SQUALL_IOLOOP_TIMER_ENTRY_H_
#define SQUALL_IOLOOP_TIMER_ENTRY_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"

namespace squall::internal {

class TimerQueue;

// Owned by its queue while it is in the heap, in a run or among the due, and by its handle as long as
// there is one; the last of the two frees it.
struct TimerNode {
  enum class State : uint8_t { kPending, kDue, kCancelled, kDone };

  absl::AnyInvocable<void()> callback;
  CodeLocation where;
  TimerQueue* queue = nullptr;  // Null once the queue has let go of it.
  uint64_t sequence = 0;        // Of Add: equal deadlines are in its order.
  State state = State::kPending;
  bool queued = false;
  bool has_handle = false;
};

// The deadline stands beside the pointer, so that comparing looks at no node unless deadlines are
// equal.
struct TimerEntry {
  MonotonicTime deadline;
  TimerNode* node;

  bool operator<(const TimerEntry& other) const {
    return deadline != other.deadline ? deadline < other.deadline
                                      : node->sequence < other.node->sequence;
  }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_ENTRY_H_
