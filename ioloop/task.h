// Task<T>: the coroutine type of squall.
//
//   squall::Task<int> Answer() {
//     co_await squall::Sleep(absl::Milliseconds(10));
//     co_return 42;
//   }
//   squall::Task<> Print() { std::cout << co_await Answer(); }
//
//   squall::IOLoop::Current().Spawn(Print());                     // runs on its own
//   // Runs the loop until it is done.
//   absl::StatusOr<int> n = squall::IOLoop::Current().RunSync(Answer());
//
// A Task is lazy: its body starts when it is awaited, spawned or run. It is moved, never copied;
// destroying it destroys the coroutine where it stands, with everything that it awaits, so a
// timeout needs no cancellation points. An exception leaves through the co_await. It stays on the
// thread of the loop that resumes it.
//
// Rules (Core Guidelines CP.51, CP.53): no lambda with captures is a coroutine, and no coroutine
// takes reference or view parameters to things that may die while it is suspended. gcc 12 compiles
// co_await wrongly in some places: give its result to a variable in a statement of its own, not
// inside ?:, the condition of a loop or an initialiser list.
#ifndef SQUALL_IOLOOP_TASK_H_
#define SQUALL_IOLOOP_TASK_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "squall/ioloop/frame_cache.h"

namespace squall {

template <typename T>
class Task;

// A Task, or what is awaited like one and needs no coroutine, as the reads of a stream: movable until
// then, and awaited once, as an rvalue. What WithTimeout, WithStop, Gather, Race and RunSync take.
template <typename A>
concept TaskLike = std::is_move_constructible_v<A> && requires(A&& awaited) {
  typename A::value_type;
  std::move(awaited).operator co_await();
};

namespace internal {

class TaskPromiseBase : public CachedFrame {
 public:
  // Hands the thread over to whoever awaited the task. A task that completes before its awaiter
  // suspends has no continuation and returns into TaskAwaiter::await_suspend.
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
      const std::coroutine_handle<> next = finished.promise().continuation_;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

 protected:
  void RethrowIfFailed() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
  }

 private:
  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
};

template <typename T>
class TaskPromise : public TaskPromiseBase {
 public:
  static_assert(!std::is_reference_v<T>, "a Task returns a value or a pointer, not a reference");

  Task<T> get_return_object();

  template <typename U>
  requires std::is_convertible_v<U&&, T>
  void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }

  T TakeResult() {
    RethrowIfFailed();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() const noexcept {}
  void TakeResult() { RethrowIfFailed(); }
};

// Stands for a coroutine that is done and has returned T().
template <typename T>
std::coroutine_handle<TaskPromise<T>> DoneMark() {
  static constinit char mark = 0;
  return std::coroutine_handle<TaskPromise<T>>::from_address(&mark);
}

template <typename T>
class TaskAwaiter {
 public:
  explicit TaskAwaiter(std::coroutine_handle<TaskPromise<T>> child) : child_(child) {}

  bool await_ready() const noexcept { return child_ == DoneMark<T>() || child_.done(); }
  // Runs the child here and suspends only if it does. Compared with transferring to it, a loop over
  // tasks that complete at once needs no tail calls to keep the stack flat, which -O0 and the
  // sanitizers lack.
  bool await_suspend(std::coroutine_handle<> awaiting) {
    child_.resume();
    if (child_.done()) return false;
    child_.promise().set_continuation(awaiting);
    return true;
  }
  T await_resume() {
    if constexpr (std::is_default_constructible_v<T> || std::is_void_v<T>) {
      if (child_ == DoneMark<T>()) return T();
    }
    return child_.promise().TakeResult();
  }

 private:
  std::coroutine_handle<TaskPromise<T>> child_;
};

}  // namespace internal

// See the top of the file.
template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using value_type = T;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { Destroy(); }

  // A task that is done and gives T(), such as OkStatus, and costs no coroutine: for functions that
  // rarely have to wait.
  static Task Done() requires(std::is_default_constructible_v<T> || std::is_void_v<T>) {
    return Task(internal::DoneMark<T>());
  }

  // co_await MakeTask(), or co_await std::move(task). At most once.
  internal::TaskAwaiter<T> operator co_await() && { return internal::TaskAwaiter<T>(handle_); }

 private:
  friend promise_type;

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  void Destroy() {
    if (handle_ && handle_ != internal::DoneMark<T>()) handle_.destroy();
    handle_ = nullptr;
  }

  std::coroutine_handle<promise_type> handle_;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_IOLOOP_TASK_H_
