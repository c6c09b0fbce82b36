// A function that the loop calls again and again.
//
//   class Cache {
//     squall::PeriodicCallback expire_{absl::Minutes(1), [this] { Expire(); }};
//   };
//   expire_.Start();
//
//   squall::Task<> Report(Client* client);  // a coroutine
//   squall::PeriodicCallback report(absl::Seconds(10), [&] { return Report(&client); },
//                                   {.jitter = 0.2});
//
// The period is from the start of a call to the start of the next. A call that takes longer than
// the period, or a coroutine that is not done by then, has the calls skipped that fall into its
// time, and those that follow stay on the schedule; so calls never overlap. Exceptions are logged,
// and the calls go on.
//
// Jitter keeps many of the same period from being due at once, those of a pool's workers for
// instance: with 0.1, each time between two calls is the period, 5 % more or less.
//
// Used in the thread of its loop. Source: tornado.ioloop.PeriodicCallback (6.2).
#ifndef SQUALL_IOLOOP_PERIODIC_CALLBACK_H_
#define SQUALL_IOLOOP_PERIODIC_CALLBACK_H_

#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/task.h"

namespace squall {

struct PeriodicCallbackOptions {
  // From 0 to 1. How much of the period the time between two calls varies by, half of it to either
  // side, at random.
  double jitter = 0;
};

class PeriodicCallback {
 public:
  using Options = PeriodicCallbackOptions;

  // Does not start. `callback` is called without arguments; if it returns a Task<>, that is run. It
  // is destroyed with this object. Aborts if `period` is not positive and finite, or jitter not from 0
  // to 1.
  template <typename F>
  PeriodicCallback(absl::Duration period, F callback, Options options = {},
                   CodeLocation where = CodeLocation::Here())
      : PeriodicCallback(period, Wrap(std::move(callback)), options, where) {}
  PeriodicCallback(const PeriodicCallback&) = delete;
  PeriodicCallback& operator=(const PeriodicCallback&) = delete;
  // Stops, and destroys a coroutine of the callback that has not ended, where it stands. May be called
  // from within the callback; from within a coroutine until it first waits.
  ~PeriodicCallback();

  // The first call is a period from now, on this thread's loop. Started again, it begins a new
  // schedule; a coroutine that has not ended goes on, and is not joined by another.
  void Start();
  // There is no further call. A coroutine that has not ended goes on. Nothing if it does not run.
  void Stop();
  // Whether it was started, and not stopped.
  bool running() const;

 private:
  using Callback = std::variant<absl::AnyInvocable<void()>, absl::AnyInvocable<Task<>()>>;
  class State;
  struct Release {
    void operator()(State* state) const;
  };

  PeriodicCallback(absl::Duration period, Callback callback, Options options, CodeLocation where);

  template <typename F>
  static Callback Wrap(F callback) {
    using Result = std::invoke_result_t<F&>;
    static_assert(std::is_void_v<Result> || std::is_same_v<Result, Task<>>,
                  "the callback of a PeriodicCallback returns nothing, or a Task<>");
    if constexpr (std::is_void_v<Result>) {
      return Callback(absl::AnyInvocable<void()>(std::move(callback)));
    } else {
      return Callback(absl::AnyInvocable<Task<>()>(std::move(callback)));
    }
  }

  // Lives on until a call that is under way returns.
  const std::unique_ptr<State, Release> state_;
};

}  // namespace squall

#endif  // SQUALL_IOLOOP_PERIODIC_CALLBACK_H_
