// Internal to ioloop: coroutines that wait in line for something, each perhaps with a timeout.
//
//   class EventAwaiter : public Waiter {
//     bool await_ready() { return event_->is_set(); }
//     void await_suspend(std::coroutine_handle<> awaiting) { event_->waiters_.Push(*this, awaiting); }
//     absl::Status await_resume() { return status(); }
//   };
//   while (!waiters_.empty()) waiters_.GrantFirst();
//
// The awaiter is the waiter, and stands in the frame of the coroutine that waits: it leaves the line
// in its destructor, when its time is over and when it is granted what it waits for, each in O(1).
// A granted waiter is resumed in the loop's next iteration, and a timeout that ends meanwhile does
// not count. Those who still wait when the list is destroyed are resumed with CANCELLED.
#ifndef SQUALL_IOLOOP_WAIT_LIST_H_
#define SQUALL_IOLOOP_WAIT_LIST_H_

#include <coroutine>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/resume_queue.h"
#include "squall/ioloop/timeout.h"

namespace squall::internal {

// For messages: "Event::Wait: the event was not set within 1s". Literals.
struct WaitText {
  const char* operation;  // Event::Wait
  const char* missed;     // the event was not set
};

class Waiter : private ResumeNode {
 public:
  Waiter(const WaitText& text, absl::Duration timeout) : text_(text), timeout_(timeout) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

 protected:
  // OK, DEADLINE_EXCEEDED or CANCELLED; to be called when resumed.
  absl::Status status() const;

 private:
  friend class WaitListBase;
  enum class Outcome { kGranted, kTimedOut, kCancelled };

  const WaitText& text_;
  const absl::Duration timeout_;
  Timeout timer_;
  Outcome outcome_ = Outcome::kGranted;
};

class WaitListBase {
 public:
  WaitListBase() : head_{&head_, &head_} {}
  WaitListBase(const WaitListBase&) = delete;
  WaitListBase& operator=(const WaitListBase&) = delete;
  ~WaitListBase() { CancelAll(); }

  bool empty() const { return head_.next == &head_; }
  // Resumes all of them with CANCELLED.
  void CancelAll();

 protected:
  void Push(Waiter& waiter, std::coroutine_handle<> awaiting);
  Waiter& GrantFirst();

 private:
  static void Finish(Waiter& waiter, Waiter::Outcome outcome);

  ListLink head_;
};

// `WaiterType` derives from Waiter.
template <typename WaiterType>
class WaitList : public WaitListBase {
 public:
  // Joins the end of the line, and begins its timeout.
  void Push(WaiterType& waiter, std::coroutine_handle<> awaiting) {
    WaitListBase::Push(waiter, awaiting);
  }
  // Takes the first out of the line, which must not be empty; it will be resumed with OK.
  WaiterType& GrantFirst() { return static_cast<WaiterType&>(WaitListBase::GrantFirst()); }
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WAIT_LIST_H_
