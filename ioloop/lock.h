// One coroutine at a time.
//
//   squall::Lock lock;
//
//   squall::Task<absl::Status> Append(std::string record) {
//     absl::StatusOr<squall::Lock::Guard> guard = co_await lock.Acquire(absl::Seconds(1));
//     if (!guard.ok()) co_return guard.status();
//     co_return co_await file.Write(std::move(record));
//   }  // The guard's destructor unlocks.
//
// Between two awaits a coroutine has its thread for itself anyway; a Lock is for what must not be
// interleaved over awaits. Who waits longest is next. It is not recursive: a coroutine that acquires
// it twice waits for itself. For what is resumed when, threads and destruction see event.h; a guard
// may outlive its lock.
//
// Source: tornado.locks.Lock.
#ifndef SQUALL_IOLOOP_LOCK_H_
#define SQUALL_IOLOOP_LOCK_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/semaphore.h"

namespace squall {

class Lock {
 public:
  // Unlocks when destroyed.
  using Guard = SemaphorePermit;

  // Unlocked.
  Lock();

  bool locked() const { return semaphore_.available() == 0; }

  // Awaitable: a Guard, without suspending if the lock is free; DEADLINE_EXCEEDED after `timeout`.
  [[nodiscard]] internal::AcquireAwaiter Acquire(
      absl::Duration timeout = absl::InfiniteDuration()) {
    return semaphore_.Acquire(timeout);
  }
  // A guard if the lock is free.
  std::optional<Guard> TryAcquire() { return semaphore_.TryAcquire(); }
  // Unlocks by hand, after Guard::Detach(). FAILED_PRECONDITION if it is not locked.
  absl::Status Release();

 private:
  BoundedSemaphore semaphore_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_LOCK_H_
