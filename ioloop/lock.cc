#include "squall/ioloop/lock.h"

#include "absl/status/status.h"
#include "squall/ioloop/wait_list.h"

namespace squall {
namespace {

constexpr internal::WaitText kText{"Lock::Acquire", "the lock was not released"};

}  // namespace

Lock::Lock() : semaphore_(1, kText) {}

absl::Status Lock::Release() {
  if (!locked()) return absl::FailedPreconditionError("Lock::Release: the lock is not locked");
  return semaphore_.Release();
}

}  // namespace squall
