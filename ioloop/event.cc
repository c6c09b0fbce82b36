#include "squall/ioloop/event.h"

#include <coroutine>

#include "absl/time/time.h"
#include "squall/ioloop/wait_list.h"

namespace squall {
namespace internal {

bool EventAwaiter::await_ready() const { return event_->is_set(); }

void EventAwaiter::await_suspend(std::coroutine_handle<> awaiting) {
  event_->waiters_.Push(*this, awaiting);
}

}  // namespace internal

void Event::Set() {
  set_ = true;
  while (!waiters_.empty()) waiters_.GrantFirst();
}

internal::EventAwaiter Event::Wait(absl::Duration timeout) {
  static constexpr internal::WaitText kText{"Event::Wait", "the event was not set"};
  return internal::EventAwaiter(this, kText, timeout);
}

}  // namespace squall
