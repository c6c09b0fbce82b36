#include "squall/ioloop/work_inbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <coroutine>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/work.h"

namespace squall::internal {
namespace {

// Of this thread's loop, which owns it with its handler. No destructor: loops may end as late as at the
// end of the thread.
constinit thread_local WorkInbox* inbox_of_thread = nullptr;

}  // namespace

// What the loop calls, and destroys with itself.
class WorkInbox::Handler {
 public:
  explicit Handler(std::shared_ptr<WorkInbox> inbox) : inbox_(std::move(inbox)) {
    inbox_of_thread = inbox_.get();
  }
  Handler(Handler&&) noexcept = default;
  Handler& operator=(Handler&&) = delete;
  ~Handler() {
    if (inbox_ == nullptr) return;
    inbox_of_thread = nullptr;
    inbox_->Close();
  }

  void operator()(uint32_t) const { inbox_->ResumeAll(); }

 private:
  std::shared_ptr<WorkInbox> inbox_;
};

absl::StatusOr<std::shared_ptr<WorkInbox>> WorkInbox::OfThisLoop() {
  // After a fork the thread may still know the inbox of a loop of the other process.
  if (inbox_of_thread != nullptr && inbox_of_thread->fork_generation_ == ForkGeneration()) {
    return inbox_of_thread->shared_from_this();
  }
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return StatusFromErrno(errno, "Executor::Run: eventfd");
  auto inbox = std::make_shared<WorkInbox>(std::move(wake));
  // Edge-triggered, each write is an event of its own: nobody has to read.
  absl::Status added =
      IOLoop::Current().AddHandler(inbox->wake_.get(), IOLoop::kRead | EPOLLET, Handler(inbox));
  if (!added.ok()) return added;
  return inbox;
}

WorkInbox::WorkInbox(UniqueFd wake) : fork_generation_(ForkGeneration()), wake_(std::move(wake)) {}

void WorkInbox::Put(std::shared_ptr<Work> work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    const bool was_empty = finished_.empty();
    finished_.PushBack(std::move(work));
    if (!was_empty) return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(wake_.get(), &one, sizeof one);
}

void WorkInbox::ResumeAll() {
  WorkList finished = [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::move(finished_);
  }();
  while (const std::shared_ptr<Work> work = finished.TakeFirst()) {
    // Null when the coroutine was destroyed meanwhile, perhaps by one that was resumed before it.
    const std::coroutine_handle<> awaiting = std::exchange(work->awaiting, nullptr);
    if (awaiting) InvokeLogged("a coroutine", awaiting);
  }
}

void WorkInbox::Close() {
  WorkList dropped = [this] {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    return std::move(finished_);
  }();
}

}  // namespace squall::internal
