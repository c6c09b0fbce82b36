// Internal to ioloop: what a thread of an Executor does for a coroutine of a loop.
//
//   auto work = std::make_shared<WorkOf<F>>(std::move(f));
//   work->Do();                         // in the thread; keeps what f returns or throws
//   return work->TakeResult();          // in the coroutine
//
// Shared by the two, for either may end first. What is not said to be the thread's is the loop's,
// but for the state, which the pool's mutex guards.
#ifndef SQUALL_IOLOOP_WORK_H_
#define SQUALL_IOLOOP_WORK_H_

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {

class WorkInbox;

class Work {
 public:
  enum class State { kNew, kQueued, kRunning, kAbandoned, kEnded };

  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;

  // In the thread. Destroys the callable, so that what it holds is gone when the coroutine goes on.
  virtual void Do() noexcept = 0;
  // In the loop's thread, while Do() runs.
  virtual void RequestStop() {}
  // In the thread, when nobody waits for the result any more.
  virtual void LogException() const = 0;

  // Who is resumed when it is done, by way of `inbox`.
  std::coroutine_handle<> awaiting;
  std::shared_ptr<WorkInbox> inbox;
  State state = State::kNew;
  // Why it was not done.
  absl::Status failure;

 private:
  friend class WorkList;

  Work* previous_ = nullptr;
  Work* next_ = nullptr;
  // This, while it is in a list.
  std::shared_ptr<Work> self_;
};

// First in, first out; removal in the middle in O(1). A work is in one list at a time.
class WorkList {
 public:
  WorkList() = default;
  WorkList(WorkList&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  WorkList& operator=(WorkList&&) = delete;
  ~WorkList() {
    while (!empty()) TakeFirst();
  }

  bool empty() const { return first_ == nullptr; }
  void PushBack(std::shared_ptr<Work> work);
  // Null when empty.
  std::shared_ptr<Work> TakeFirst() { return empty() ? nullptr : Take(*first_); }
  // `work` must be in this list.
  std::shared_ptr<Work> Take(Work& work);

 private:
  Work* first_ = nullptr;
  Work* last_ = nullptr;
};

template <typename F>
class WorkOf final : public Work {
 public:
  static constexpr bool kTakesStopToken = std::is_invocable_v<F, std::stop_token>;
  static_assert(kTakesStopToken || std::is_invocable_v<F>,
                "work for an Executor is called without arguments, or with a std::stop_token");

 private:
  template <typename G>
  struct ReturnedBy : std::invoke_result<G> {};
  template <typename G>
  requires std::is_invocable_v<G, std::stop_token>
  struct ReturnedBy<G> : std::invoke_result<G, std::stop_token> {
  };

 public:
  using Value = typename ReturnedBy<F>::type;
  static_assert(!std::is_reference_v<Value>,
                "work for an Executor returns a value or a pointer, not a reference");
  using Result = typename RunSyncResult<Value>::Type;

  explicit WorkOf(F callable) : callable_(std::move(callable)) {
    if constexpr (kTakesStopToken) stop_ = std::stop_source();
  }

  void Do() noexcept override {
    try {
      if constexpr (std::is_void_v<Value>) {
        Invoke();
      } else {
        result_.emplace(Invoke());
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
    callable_.reset();
  }

  void RequestStop() override { stop_.request_stop(); }

  void LogException() const override {
    if (!exception_) return;
    try {
      std::rethrow_exception(exception_);
    } catch (...) {
      LogCurrentException("the work of an executor that nobody waits for any more");
    }
  }

  Result TakeResult() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
    if constexpr (std::is_void_v<Value>) {
      return absl::OkStatus();
    } else {
      return *std::move(result_);
    }
  }

 private:
  struct Nothing {};

  Value Invoke() {
    if constexpr (kTakesStopToken) {
      return (*std::move(callable_))(stop_.get_token());
    } else {
      return (*std::move(callable_))();
    }
  }

  std::optional<F> callable_;
  std::stop_source stop_{std::nostopstate};
  std::optional<std::conditional_t<std::is_void_v<Value>, Nothing, Value>> result_;
  std::exception_ptr exception_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WORK_H_
