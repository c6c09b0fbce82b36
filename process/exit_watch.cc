#include "squall/process/exit_watch.h"

#include <signal.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/process/child_process.h"
#include "squall/process/exit_status.h"

namespace squall::internal {
namespace {

struct Forgotten {
  std::mutex mutex;
  std::vector<UniqueFd> pidfds;
};

// Never destroyed: loops end as late as their threads.
Forgotten& ForgottenChildren() {
  static auto* const forgotten = new Forgotten;
  return *forgotten;
}

}  // namespace

class ExitWatch::Awaiter {
 public:
  explicit Awaiter(ExitWatch* watch) : watch_(watch) {}
  ~Awaiter() { std::erase(watch_->waiters_, this); }
  bool await_ready() const noexcept { return watch_->status_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    watch_->waiters_.push_back(this);
  }
  void await_resume() const noexcept {}

  void Resume() { waiter_.resume(); }

 private:
  ExitWatch* const watch_;
  std::coroutine_handle<> waiter_;
};

absl::StatusOr<std::shared_ptr<ExitWatch>> ExitWatch::Create(IOLoop& loop, UniqueFd pidfd) {
  const std::shared_ptr<ExitWatch> watch(new ExitWatch(loop, std::move(pidfd)));
  if (absl::Status added = loop.AddHandler(watch->pidfd_.get(), IOLoop::kRead,
                                           [watch](uint32_t) { watch->OnReadable(); });
      !added.ok()) {
    Signal(watch->pidfd_, SIGKILL);
    WaitForDeath(watch->pidfd_, -1);
    return added;
  }
  return watch;
}

ExitWatch::~ExitWatch() {
  if (!pidfd_.valid() || Reap(pidfd_).has_value()) return;
  Forgotten& forgotten = ForgottenChildren();
  const std::lock_guard<std::mutex> lock(forgotten.mutex);
  forgotten.pidfds.push_back(std::move(pidfd_));
}

void ReapForgotten() {
  Forgotten& forgotten = ForgottenChildren();
  const std::lock_guard<std::mutex> lock(forgotten.mutex);
  std::erase_if(forgotten.pidfds, [](const UniqueFd& pidfd) { return Reap(pidfd).has_value(); });
}

void ExitWatch::OnReadable() {
  const std::shared_ptr<ExitWatch> self = shared_from_this();
  status_ = Reap(pidfd_);
  // A debugger sees the end before the parent may.
  if (!status_.has_value()) return;
  loop_->RemoveHandler(pidfd_.get());
  pidfd_.reset();
  ScheduleCallback();
  if (!waiters_.empty()) loop_->AddCallback([self] { self->ResumeWaiters(); });
}

void ExitWatch::SetCallback(absl::AnyInvocable<void(ExitStatus)> callback) {
  callback_ = std::move(callback);
  ScheduleCallback();
}

void ExitWatch::ScheduleCallback() {
  if (!status_.has_value() || callback_ == nullptr) return;
  // The loop may have ended before its user.
  if (IOLoop::IfExists() != loop_) return;
  loop_->AddCallback([self = shared_from_this()] {
    if (self->callback_ == nullptr) return;
    std::exchange(self->callback_, nullptr)(*self->status_);
  });
}

void ExitWatch::ResumeWaiters() {
  while (!waiters_.empty()) {
    Awaiter* const waiter = waiters_.front();
    waiters_.erase(waiters_.begin());
    waiter->Resume();
  }
}

Task<ExitStatus> ExitWatch::Wait(std::shared_ptr<ExitWatch> watch) {
  if (!watch->status_.has_value()) co_await Awaiter(watch.get());
  co_return *watch->status_;
}

}  // namespace squall::internal
