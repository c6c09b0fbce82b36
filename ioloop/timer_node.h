// Internal to ioloop: a timer, as its queue and its handle know it.
#ifndef SQUALL_IOLOOP_TIMER_NODE_H_
#define SQUALL_IOLOOP_TIMER_NODE_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"

namespace squall::internal {

class TimerQueue;

// Owned by its queue while it waits or is due, and by its handle as long as there is one; the last of
// the two frees it.
struct TimerNode {
  enum class State : uint8_t { kInHeap, kInWheel, kDue, kCancelled, kDone };

  // By deadline, and as they were added if that is the same.
  bool Before(const TimerNode& other) const {
    return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence;
  }

  // What adding and cancelling touch stands together: among many timers each line of the cache
  // counts.
  TimerQueue* queue = nullptr;  // Null once the queue has let go of it.
  TimerNode* previous = nullptr;
  TimerNode* next = nullptr;
  MonotonicTime deadline;
  uint32_t position = 0;  // In the heap, or the number of the bucket of the wheel.
  State state = State::kDone;
  bool has_handle = false;
  uint64_t sequence = 0;
  absl::AnyInvocable<void()> callback;
  CodeLocation where;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_NODE_H_
