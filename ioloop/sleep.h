// Waiting inside a coroutine.
//
//   co_await squall::Sleep(absl::Seconds(1));   // this coroutine waits, the loop does not
//   co_await squall::Sleep(absl::ZeroDuration());  // lets everything else run first
//
// absl::SleepFor, in contrast, blocks the whole process's loop.
#ifndef SQUALL_IOLOOP_SLEEP_H_
#define SQUALL_IOLOOP_SLEEP_H_

#include <coroutine>

#include "absl/time/time.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/timeout.h"

namespace squall {

namespace internal {

class SleepAwaiter {
 public:
  explicit SleepAwaiter(absl::Duration duration) : duration_(duration) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    timeout_ = IOLoop::Current().CallLater(duration_, [awaiting] { awaiting.resume(); });
  }
  void await_resume() const noexcept {}

 private:
  absl::Duration duration_;
  Timeout timeout_;  // Cancels when the coroutine is destroyed.
};

}  // namespace internal

// Awaitable that resumes `duration` from when it is awaited, on this thread's loop, at the earliest
// in its next iteration.
inline internal::SleepAwaiter Sleep(absl::Duration duration) {
  return internal::SleepAwaiter(duration);
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_SLEEP_H_
