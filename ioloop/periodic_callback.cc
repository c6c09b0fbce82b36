#include "squall/ioloop/periodic_callback.h"

#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/base/logging.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/periodic_schedule.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/task_group.h"
#include "squall/ioloop/timeout.h"

namespace squall {

class PeriodicCallback::State {
 public:
  State(absl::Duration period, double jitter, Callback callback, CodeLocation where)
      : schedule_(period, jitter), callback_(std::move(callback)), where_(where) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  // The coroutine uses all of it.
  ~State() {
    if (UnderWay* const under_way = std::exchange(under_way_, nullptr)) {
      under_way->state = nullptr;
      under_way->group->FinishHere();
    }
  }

  bool running() const { return running_; }

  void Start() {
    running_ = true;
    // Here and not earlier: after a fork each process has other numbers.
    random_.seed(std::random_device()());
    schedule_.Restart(Clock::Real().Now());
    // Else when the call ends.
    if (!calling_) ScheduleNext();
  }

  void Stop() {
    running_ = false;
    timer_.Cancel();
  }

  void Release() {
    Stop();
    if (on_stack_) {
      released_ = true;
    } else {
      delete this;
    }
  }

 private:
  void ScheduleNext() {
    const double random = std::uniform_real_distribution<double>()(random_);
    timer_ = IOLoop::Current().CallAt(
        schedule_.Next(Clock::Real().Now(), random), [this] { Call(); }, where_);
  }

  // The loop's timer: what the callback throws is the loop's to log.
  void Call() {
    const OnStack on_stack(this);
    calling_ = true;
    if (auto* const callback = std::get_if<absl::AnyInvocable<void()>>(&callback_)) {
      (*callback)();
    } else {
      IOLoop::Current().Spawn(CallCoroutine(this), where_);
    }
  }

  // A coroutine of the callback that has not ended. It stands in the loop's list, so that it ends with
  // the loop if that is first; and in a group, so that the State can end it.
  struct UnderWay {
    UnderWay(State* owner, internal::TaskGroup* its_group) : state(owner), group(its_group) {
      state->under_way_ = this;
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() {
      if (state == nullptr) return;
      state->under_way_ = nullptr;
      // Also when the loop has ended it: another one may begin.
      state->calling_ = false;
    }

    State* state;  // Null once it is gone.
    internal::TaskGroup* const group;
  };

  static Task<> CallCoroutine(State* state) {
    internal::TaskGroup group(1);
    UnderWay under_way(state, &group);
    std::optional<std::monostate> done;
    group.Add(internal::RunInGroup(CallLogged(state), &done, &group));
    co_await group;
    if (under_way.state != nullptr) state->EndCall();
  }

  static Task<> CallLogged(State* state) {
    try {
      Task<> task = std::get<absl::AnyInvocable<Task<>()>>(state->callback_)();
      co_await std::move(task);
    } catch (...) {
      internal::LogCurrentException(
          absl::StrCat("a periodic callback of ", state->where_.ToString()));
    }
  }

  void EndCall() {
    calling_ = false;
    if (running_) ScheduleNext();
  }

  // While the callback, or the beginning of its coroutine, is on the stack.
  class OnStack {
   public:
    explicit OnStack(State* state) : state_(state) { state_->on_stack_ = true; }
    OnStack(const OnStack&) = delete;
    OnStack& operator=(const OnStack&) = delete;
    ~OnStack() {
      state_->on_stack_ = false;
      if (state_->released_) {
        delete state_;
      } else if (std::holds_alternative<absl::AnyInvocable<void()>>(state_->callback_)) {
        state_->EndCall();
      }
    }

   private:
    State* const state_;
  };

  internal::PeriodicSchedule schedule_;
  Callback callback_;
  const CodeLocation where_;
  std::minstd_rand random_;
  bool running_ = false;
  // A call has begun and not ended.
  bool calling_ = false;
  bool on_stack_ = false;
  bool released_ = false;
  Timeout timer_;
  UnderWay* under_way_ = nullptr;
};

PeriodicCallback::PeriodicCallback(absl::Duration period, Callback callback, Options options,
                                   CodeLocation where)
    : state_(new State(period, options.jitter, std::move(callback), where)) {
  CHECK(period > absl::ZeroDuration() && period < absl::InfiniteDuration())
      << "PeriodicCallback: the period is " << period << "; it must be positive and finite";
  CHECK(options.jitter >= 0 && options.jitter <= 1)
      << "PeriodicCallback: the jitter is " << options.jitter << "; it must be from 0 to 1";
}

PeriodicCallback::~PeriodicCallback() = default;

void PeriodicCallback::Release::operator()(State* state) const { state->Release(); }

void PeriodicCallback::Start() { state_->Start(); }

void PeriodicCallback::Stop() { state_->Stop(); }

bool PeriodicCallback::running() const { return state_->running(); }

}  // namespace squall
