// A flag that coroutines wait for.
//
//   squall::Event ready;
//   absl::Status set = co_await ready.Wait();                      // in any number of coroutines
//   absl::Status in_time = co_await ready.Wait(absl::Seconds(1));  // perhaps DEADLINE_EXCEEDED
//   ready.Set();                                                   // resumes all of them
//
// As all of squall's locks and queues: a wait begins when it is awaited; those who are resumed are
// resumed in the loop's next iteration, in the order in which they came; a coroutine that is
// destroyed while it waits leaves the line. Used by one thread; from another, hand over with
// IOLoop::AddCallback. It may be destroyed while coroutines wait: they are resumed with CANCELLED.
//
// Source: tornado.locks.Event.
#ifndef SQUALL_IOLOOP_EVENT_H_
#define SQUALL_IOLOOP_EVENT_H_

#include <coroutine>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/wait_list.h"

namespace squall {

class Event;

namespace internal {

class EventAwaiter : public Waiter {
 public:
  EventAwaiter(Event* event, const WaitText& text, absl::Duration timeout)
      : Waiter(text, timeout), event_(event) {}

  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> awaiting);
  absl::Status await_resume() const { return status(); }

 private:
  Event* const event_;
};

}  // namespace internal

class Event {
 public:
  // Not set.
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  bool is_set() const { return set_; }
  // Also resumes those who wait now if Clear() follows at once.
  void Set();
  void Clear() { set_ = false; }

  // Awaitable: OK as soon as the event is set, which does not suspend if it is. DEADLINE_EXCEEDED
  // after `timeout`; zero looks at what the next iteration brings.
  [[nodiscard]] internal::EventAwaiter Wait(absl::Duration timeout = absl::InfiniteDuration());

 private:
  friend class internal::EventAwaiter;

  bool set_ = false;
  internal::WaitList<internal::EventAwaiter> waiters_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_EVENT_H_
