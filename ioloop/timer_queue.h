// Internal to ioloop: timers ordered by deadline. It knows no clock and gives out what its user
// calls due.
//
//   queue.CollectDue(now);
//   DueTimer due;
//   while (queue.TakeDue(due)) due.callback();
//
// Timers that are due within the running tick, of 1.05 ms, stand in a heap, later ones in a timing
// wheel, and come to the heap when their tick begins. Most timers of a server, such as those of idle
// connections, are cancelled before that, and cost O(1) beside any number of others. Cancelling takes
// a timer out at once; nodes are recycled. timer_benchmark.cc measures it.
#ifndef SQUALL_IOLOOP_TIMER_QUEUE_H_
#define SQUALL_IOLOOP_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_heap.h"
#include "squall/ioloop/timer_node.h"
#include "squall/ioloop/timer_wheel.h"

namespace squall::internal {

struct DueTimer {
  absl::AnyInvocable<void()> callback;
  MonotonicTime deadline;
  CodeLocation where;
};

class TimerQueue {
 public:
  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue();

  // Callbacks of equal deadlines run in the order of Add.
  Timeout Add(MonotonicTime deadline, absl::AnyInvocable<void()>&& callback,
              CodeLocation where = CodeLocation());

  // No timer is due before it; Infinite() when there is none that will ever be. A timer is due then,
  // unless one was cancelled that was, and others share its bucket of the wheel.
  MonotonicTime NextDeadline() const {
    if (!heap_.empty()) return heap_.NextDeadline();
    return wheel_.empty() ? MonotonicTime::Infinite() : wheel_.EarliestBound();
  }

  // Whether CollectDue() would have nothing to do, as in most turns of a loop.
  bool NothingDue(MonotonicTime now) const {
    return (heap_.empty() || heap_.NextDeadline() > now) && !wheel_.HasBegun(now);
  }
  // Takes out what is due at `now`, for TakeDue. Timers added later wait for the next call even if
  // due, so that a callback that re-arms itself with no delay starves nobody. The last ones must
  // have been taken. Whether there are any.
  bool CollectDue(MonotonicTime now);
  // The next of them in the order of their deadlines, those left out that were cancelled meanwhile.
  // False when there is none left.
  bool TakeDue(DueTimer& due);

  // Forgets all, also what the destructors of the callbacks add.
  void Clear();

  // How many wait; neither the due ones nor the cancelled.
  size_t size() const { return size_; }

 private:
  friend class ::squall::Timeout;

  // With the deadline, so that sorting looks at no timer.
  struct Due {
    bool operator<(const Due& other) const {
      return deadline != other.deadline ? deadline < other.deadline : node->Before(*other.node);
    }
    MonotonicTime deadline;
    TimerNode* node;
  };

  void Insert(TimerNode* node) {
    if (wheel_.Takes(node->deadline)) {
      wheel_.Add(node);
    } else {
      heap_.Add(node);
    }
  }
  void CollectOfBucket(TimerNode* list, MonotonicTime now);
  void AddDue(TimerNode* node);
  void Cancel(TimerNode* node);
  void Release(TimerNode* node);
  void Recycle(TimerNode* node);

  TimerHeap heap_;
  size_t size_ = 0;
  uint64_t next_sequence_ = 0;
  std::vector<TimerNode*> free_;
  std::vector<Due> due_;
  size_t next_due_ = 0;
  TimerWheel wheel_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_QUEUE_H_
