// Tells waiting coroutines that something has changed.
//
//   squall::Condition changed;
//   absl::Status notified = co_await changed.Wait(absl::Seconds(1));
//   changed.Notify();     // resumes the one who waits longest
//   changed.NotifyAll();  // resumes all who wait
//
// Unlike an Event it remembers nothing: who comes after the notification waits for the next. Unlike
// std::condition_variable it needs no lock, since nothing else runs between a look at the state and
// the Wait. For what is resumed when, threads and destruction see event.h.
//
// Source: tornado.locks.Condition.
#ifndef SQUALL_IOLOOP_CONDITION_H_
#define SQUALL_IOLOOP_CONDITION_H_

#include <coroutine>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/wait_list.h"

namespace squall {

namespace internal {

class ConditionAwaiter;
using ConditionWaitList = WaitList<ConditionAwaiter>;

void Notify(ConditionWaitList& waiters, size_t n);

class ConditionAwaiter : public Waiter {
 public:
  ConditionAwaiter(LocalPtr<ConditionWaitList> waiters, absl::Duration timeout);
  // Passes a notification on that was meant for this one of many.
  ~ConditionAwaiter();

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) { waiters_->Push(*this, awaiting); }
  absl::Status await_resume() {
    owes_notification_ = false;
    return status();
  }

 private:
  friend void Notify(ConditionWaitList& waiters, size_t n);

  const LocalPtr<ConditionWaitList> waiters_;
  bool owes_notification_ = false;
};

}  // namespace internal

class Condition {
 public:
  Condition();
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition();

  // Awaitable: OK when notified, DEADLINE_EXCEEDED after `timeout`.
  [[nodiscard]] internal::ConditionAwaiter Wait(absl::Duration timeout = absl::InfiniteDuration());

  // Resumes the first `n` in line, or all if there are fewer; those whose time is over do not count.
  // One that is destroyed before it runs passes its notification on to the next in line.
  void Notify(size_t n = 1);
  // Resumes all who wait now.
  void NotifyAll();

 private:
  // A notified coroutine that is destroyed comes back to it, maybe after the condition is gone.
  const internal::LocalPtr<internal::ConditionWaitList> waiters_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_CONDITION_H_
