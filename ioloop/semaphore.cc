#include "squall/ioloop/semaphore.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/wait_list.h"

namespace squall {

using internal::AcquireAwaiter;
using internal::LocalPtr;
using internal::SemaphoreState;
using internal::WaitText;

namespace {

constexpr WaitText kText{"Semaphore::Acquire", "no permit was released"};
constexpr WaitText kBoundedText{"BoundedSemaphore::Acquire", "no permit was released"};

LocalPtr<SemaphoreState> MakeState(int permits, int limit) {
  CHECK_GE(permits, 0) << "a semaphore starts with 0 or more permits";
  return LocalPtr<SemaphoreState>::Make(permits, limit);
}

}  // namespace

namespace internal {

absl::Status Release(const LocalPtr<SemaphoreState>& state) {
  if (!state->waiters.empty()) {
    state->waiters.GrantFirst().permit_ = SemaphorePermit(state);
    return absl::OkStatus();
  }
  if (state->available == state->limit) {
    return absl::FailedPreconditionError(
        absl::StrCat("released without having been acquired: all permits are there, ", state->limit,
                     " of ", state->limit));
  }
  ++state->available;
  return absl::OkStatus();
}

}  // namespace internal

void SemaphorePermit::Release() {
  if (!held()) return;
  // Granted to the next first, and only then let go.
  const LocalPtr<SemaphoreState> state = std::move(state_);
  const absl::Status status = internal::Release(state);
  if (!status.ok()) LOG(ERROR) << "SemaphorePermit: " << status.message();
}

Semaphore::Semaphore(int permits) : state_(MakeState(permits, std::numeric_limits<int>::max())) {}

Semaphore::~Semaphore() { state_->waiters.CancelAll(); }

AcquireAwaiter Semaphore::Acquire(absl::Duration timeout) {
  return AcquireAwaiter(state_, kText, timeout);
}

std::optional<SemaphorePermit> Semaphore::TryAcquire() {
  if (!state_->TryTake()) return std::nullopt;
  return SemaphorePermit(state_);
}

void Semaphore::Release() {
  const absl::Status status = internal::Release(state_);
  CHECK(status.ok()) << "Semaphore::Release: " << status.message();
}

BoundedSemaphore::BoundedSemaphore(int permits) : BoundedSemaphore(permits, kBoundedText) {}

BoundedSemaphore::BoundedSemaphore(int permits, const WaitText& text)
    : state_(MakeState(permits, permits)), text_(text) {}

BoundedSemaphore::~BoundedSemaphore() { state_->waiters.CancelAll(); }

AcquireAwaiter BoundedSemaphore::Acquire(absl::Duration timeout) {
  return AcquireAwaiter(state_, text_, timeout);
}

std::optional<SemaphorePermit> BoundedSemaphore::TryAcquire() {
  if (!state_->TryTake()) return std::nullopt;
  return SemaphorePermit(state_);
}

absl::Status BoundedSemaphore::Release() {
  const absl::Status status = internal::Release(state_);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("BoundedSemaphore::Release: ", status.message()));
}

}  // namespace squall
