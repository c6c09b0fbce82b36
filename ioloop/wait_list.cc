#include "squall/ioloop/wait_list.h"

#include <coroutine>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/resume_queue.h"

namespace squall::internal {

absl::Status Waiter::status() const {
  switch (outcome_) {
    case Outcome::kGranted:
      return absl::OkStatus();
    case Outcome::kTimedOut:
      return absl::DeadlineExceededError(absl::StrCat(text_.operation, ": ", text_.missed,
                                                      " within ", absl::FormatDuration(timeout_)));
    case Outcome::kCancelled:
      return absl::CancelledError(
          absl::StrCat(text_.operation, ": what was waited for has been destroyed"));
  }
  return absl::InternalError("Waiter: no such outcome");
}

void WaitListBase::Push(Waiter& waiter, std::coroutine_handle<> awaiting) {
  waiter.set_coroutine(awaiting);
  waiter.MoveTo(head_);
  if (waiter.timeout_ == absl::InfiniteDuration()) return;
  waiter.timer_ = IOLoop::Current().CallLater(waiter.timeout_, [&waiter] {
    waiter.outcome_ = Waiter::Outcome::kTimedOut;
    waiter.ResumeHere();
  });
}

Waiter& WaitListBase::GrantFirst() {
  Waiter& first = static_cast<Waiter&>(ResumeNode::FirstOf(head_));
  Finish(first, Waiter::Outcome::kGranted);
  return first;
}

void WaitListBase::CancelAll() {
  while (!empty()) {
    Finish(static_cast<Waiter&>(ResumeNode::FirstOf(head_)), Waiter::Outcome::kCancelled);
  }
}

void WaitListBase::Finish(Waiter& waiter, Waiter::Outcome outcome) {
  waiter.outcome_ = outcome;
  waiter.timer_.Cancel();
  waiter.ResumeSoon();
}

}  // namespace squall::internal
