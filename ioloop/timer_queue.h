// Internal to ioloop: timers ordered by deadline. It knows no clock and gives out what its user
// calls due.
//
//   queue.CollectDue(now);
//   DueTimer due;
//   while (queue.TakeDue(due)) due.callback();
//
// A binary heap of (deadline, sequence, node). Cancelling marks the node and leaves the heap as it
// is; when more than half of the heap is cancelled it is rebuilt, so cancelling is O(1) amortised
// and a server that arms and cancels a timer for each request holds no more than twice the live
// ones. Nodes are recycled. timer_benchmark.cc measures it.
#ifndef SQUALL_IOLOOP_TIMER_QUEUE_H_
#define SQUALL_IOLOOP_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"

namespace squall::internal {

// Owned by its queue while it is in the heap or among the due, and by its handle as long as there
// is one; the last of the two frees it.
struct TimerNode {
  enum class State : uint8_t { kPending, kDue, kCancelled, kDone };

  absl::AnyInvocable<void()> callback;
  CodeLocation where;
  TimerQueue* queue = nullptr;  // Null once the queue has let go of it.
  State state = State::kPending;
  bool queued = false;
  bool has_handle = false;
};

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
  Timeout Add(MonotonicTime deadline, absl::AnyInvocable<void()> callback,
              CodeLocation where = CodeLocation());

  // The earliest deadline of a timer that is not cancelled, Infinite() when there is none.
  MonotonicTime NextDeadline();

  // Takes out what is due at `now`, for TakeDue. Timers added later wait for the next call even if
  // due, so that a callback that re-arms itself with no delay starves nobody. The last ones must
  // have been taken. Whether there are any.
  bool CollectDue(MonotonicTime now);
  // The next of them in the order of their deadlines, those left out that were cancelled meanwhile.
  // False when there is none left.
  bool TakeDue(DueTimer& due);

  // Entries, cancelled ones included.
  size_t heap_size() const { return heap_.size(); }

 private:
  friend class ::squall::Timeout;

  struct Entry {
    MonotonicTime deadline;
    uint64_t sequence;
    TimerNode* node;
    // std::push_heap makes a max-heap; the earliest has to be on top.
    bool operator<(const Entry& other) const {
      return deadline != other.deadline ? deadline > other.deadline : sequence > other.sequence;
    }
  };

  void Cancel(TimerNode* node);
  Entry PopTop();
  void DropCancelledTop();
  void Unqueue(TimerNode* node);
  void Recycle(TimerNode* node);
  void Compact();

  std::vector<Entry> heap_;
  std::vector<Entry> due_;
  size_t next_due_ = 0;
  std::vector<TimerNode*> free_;
  uint64_t next_sequence_ = 0;
  size_t cancelled_in_heap_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_QUEUE_H_
