// At most so many coroutines at a time.
//
//   squall::Semaphore connections(10);
//
//   squall::Task<absl::Status> Query() {
//     absl::StatusOr<squall::SemaphorePermit> permit = co_await connections.Acquire();
//     if (!permit.ok()) co_return permit.status();
//     ...
//   }  // The permit's destructor releases it, to the coroutine that waits longest if there is one.
//
// Strictly first come, first served: nobody who comes later gets a permit while another waits. For
// what is resumed when, threads and destruction see event.h; a permit may outlive its semaphore.
//
// Source: tornado.locks.Semaphore and BoundedSemaphore.
#ifndef SQUALL_IOLOOP_SEMAPHORE_H_
#define SQUALL_IOLOOP_SEMAPHORE_H_

#include <coroutine>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/wait_list.h"

namespace squall {

namespace internal {

class AcquireAwaiter;

struct SemaphoreState {
  SemaphoreState(int available, int limit) : available(available), limit(limit) {}

  bool TryTake() {
    if (available == 0) return false;
    --available;
    return true;
  }

  int available;  // 0 while anybody waits.
  const int limit;
  WaitList<AcquireAwaiter> waiters;
};

// FAILED_PRECONDITION if it is at its limit.
absl::Status Release(const LocalPtr<SemaphoreState>& state);

}  // namespace internal

// What Acquire gives: releases when destroyed.
class [[nodiscard]] SemaphorePermit {
 public:
  // Of nothing.
  SemaphorePermit() = default;
  SemaphorePermit(SemaphorePermit&&) noexcept = default;
  SemaphorePermit& operator=(SemaphorePermit&& other) noexcept {
    if (this != &other) {
      Release();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~SemaphorePermit() { Release(); }

  // Whether there is something to release.
  bool held() const { return static_cast<bool>(state_); }
  // Releases now. Nothing if there is nothing.
  void Release();
  // Keeps it acquired without this handle: somebody calls Release() of the semaphore.
  void Detach() { state_ = {}; }

 private:
  friend class internal::AcquireAwaiter;
  friend absl::Status internal::Release(const internal::LocalPtr<internal::SemaphoreState>& state);
  friend class Semaphore;
  friend class BoundedSemaphore;

  explicit SemaphorePermit(internal::LocalPtr<internal::SemaphoreState> state)
      : state_(std::move(state)) {}

  internal::LocalPtr<internal::SemaphoreState> state_;
};

namespace internal {

// A permit that was granted but not taken over when the coroutine is destroyed goes to the next.
class AcquireAwaiter : public Waiter {
 public:
  AcquireAwaiter(LocalPtr<SemaphoreState> state, const WaitText& text, absl::Duration timeout)
      : Waiter(text, timeout), state_(std::move(state)) {}

  bool await_ready() {
    if (!state_->TryTake()) return false;
    permit_ = SemaphorePermit(std::move(state_));
    return true;
  }
  void await_suspend(std::coroutine_handle<> awaiting) { state_->waiters.Push(*this, awaiting); }
  absl::StatusOr<SemaphorePermit> await_resume() {
    if (permit_.held()) return std::move(permit_);
    return status();
  }

 private:
  friend absl::Status Release(const LocalPtr<SemaphoreState>& state);

  LocalPtr<SemaphoreState> state_;
  SemaphorePermit permit_;
};

}  // namespace internal

class Semaphore {
 public:
  // Aborts if `permits` is negative.
  explicit Semaphore(int permits = 1);
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore();

  // How many can be acquired at once. 0 while somebody waits.
  int available() const { return state_->available; }

  // Awaitable: a SemaphorePermit, without suspending if one is available; DEADLINE_EXCEEDED after
  // `timeout`. A coroutine that is destroyed before it could take its permit gives it on.
  [[nodiscard]] internal::AcquireAwaiter Acquire(absl::Duration timeout = absl::InfiniteDuration());
  // A permit if one is available.
  std::optional<SemaphorePermit> TryAcquire();
  // One more permit, acquired before or not: to who waits longest, else to be acquired.
  void Release();

 private:
  const internal::LocalPtr<internal::SemaphoreState> state_;
};

// A Semaphore that never has more permits than at its start: releasing once too often is found.
class BoundedSemaphore {
 public:
  // Aborts if `permits` is negative.
  explicit BoundedSemaphore(int permits = 1);
  BoundedSemaphore(const BoundedSemaphore&) = delete;
  BoundedSemaphore& operator=(const BoundedSemaphore&) = delete;
  ~BoundedSemaphore();

  // As Semaphore's.
  int available() const { return state_->available; }
  [[nodiscard]] internal::AcquireAwaiter Acquire(absl::Duration timeout = absl::InfiniteDuration());
  std::optional<SemaphorePermit> TryAcquire();
  // FAILED_PRECONDITION if all permits are there already. A permit that finds that when it is
  // destroyed logs it: it had been released by hand.
  absl::Status Release();

 private:
  friend class Lock;
  BoundedSemaphore(int permits, const internal::WaitText& text);

  const internal::LocalPtr<internal::SemaphoreState> state_;
  const internal::WaitText& text_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_SEMAPHORE_H_
