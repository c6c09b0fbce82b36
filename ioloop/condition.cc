#include "squall/ioloop/condition.h"

#include <cstddef>
#include <utility>

#include "absl/time/time.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/wait_list.h"

namespace squall {
namespace internal {
namespace {

constexpr WaitText kText{"Condition::Wait", "nobody notified"};

}  // namespace

void Notify(ConditionWaitList& waiters, size_t n) {
  for (; n > 0 && !waiters.empty(); --n) waiters.GrantFirst().owes_notification_ = true;
}

ConditionAwaiter::ConditionAwaiter(LocalPtr<ConditionWaitList> waiters, absl::Duration timeout)
    : Waiter(kText, timeout), waiters_(std::move(waiters)) {}

ConditionAwaiter::~ConditionAwaiter() {
  if (owes_notification_) Notify(*waiters_, 1);
}

}  // namespace internal

Condition::Condition() : waiters_(internal::LocalPtr<internal::ConditionWaitList>::Make()) {}

Condition::~Condition() { waiters_->CancelAll(); }

internal::ConditionAwaiter Condition::Wait(absl::Duration timeout) {
  return internal::ConditionAwaiter(waiters_, timeout);
}

void Condition::Notify(size_t n) { internal::Notify(*waiters_, n); }

void Condition::NotifyAll() {
  while (!waiters_->empty()) waiters_->GrantFirst();
}

}  // namespace squall
