// Internal to ioloop: timers ordered by deadline. It knows no clock and gives out what its user
// calls due.
//
//   queue.CollectDue(now);
//   DueTimer due;
//   while (queue.TakeDue(due)) due.callback();
//
// A timer whose deadline is not before the last of one of a few sorted runs is appended to it; all
// others go to a heap. So a server whose timers have one delay, or two, or three, pays the same for
// a million of them as for one. Cancelling marks the node and leaves it where it is; when more than
// half of all are cancelled they are taken out, so cancelling is O(1) amortised and a server that
// arms and cancels a timer for each request holds no more than twice the live ones. Nodes are
// recycled.
#ifndef SQUALL_IOLOOP_TIMER_QUEUE_H_
#define SQUALL_IOLOOP_TIMER_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_entry.h"
#include "squall/ioloop/timer_heap.h"
#include "squall/ioloop/timer_run.h"

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
  Timeout Add(MonotonicTime deadline, absl::AnyInvocable<void()> callback,
              CodeLocation where = CodeLocation());

  // The earliest deadline of a timer that is not cancelled, Infinite() when there is none.
  MonotonicTime NextDeadline();

  // Takes out what is due at `now`, for TakeDue. Timers added later wait for the next call even if
  // due, so that a callback that re-arms itself with no delay starves nobody. The last ones must
  // have been taken.
  void CollectDue(MonotonicTime now);
  // The next of them in the order of their deadlines, those left out that were cancelled meanwhile.
  // False when there is none left.
  bool TakeDue(DueTimer& due);

  // Those that wait, cancelled ones included.
  size_t size() const;

 private:
  friend class ::squall::Timeout;

  // Each run serves one delay; more would cost every look at the next deadline.
  static constexpr size_t kRuns = 4;

  void Cancel(TimerNode* node);
  // Of the heap or a run, the one whose front is the earliest of all and not cancelled.
  struct Part {
    TimerHeap* heap = nullptr;
    TimerRun* run = nullptr;
    const TimerEntry* front = nullptr;  // Null when no timer waits.
  };
  Part FindEarliest();
  void Unqueue(TimerNode* node);
  void Recycle(TimerNode* node);
  void RemoveCancelled();

  TimerHeap heap_;
  std::array<TimerRun, kRuns> runs_;
  std::vector<TimerEntry> due_;
  size_t next_due_ = 0;
  std::vector<TimerNode*> free_;
  uint64_t next_sequence_ = 0;
  size_t cancelled_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TIMER_QUEUE_H_
