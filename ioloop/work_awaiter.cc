#include "squall/ioloop/work_awaiter.h"

#include <coroutine>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/thread_pool.h"
#include "squall/ioloop/work.h"
#include "squall/ioloop/work_inbox.h"

namespace squall::internal {

WorkAwaiter::WorkAwaiter(std::shared_ptr<ThreadPool> pool, std::shared_ptr<Work> work)
    : pool_(std::move(pool)), work_(std::move(work)) {}

WorkAwaiter::~WorkAwaiter() {
  // Resumed, or never suspended.
  if (work_->awaiting == nullptr) return;
  work_->awaiting = nullptr;
  // In a child that was forked meanwhile there is no thread that it would concern.
  if (pool_->fork_generation() == ForkGeneration()) pool_->Abandon(*work_);
}

bool WorkAwaiter::await_suspend(std::coroutine_handle<> awaiting) {
  absl::StatusOr<std::shared_ptr<WorkInbox>> inbox = WorkInbox::OfThisLoop();
  if (!inbox.ok()) {
    work_->failure = std::move(inbox).status();
    return false;
  }
  work_->inbox = *std::move(inbox);
  work_->awaiting = awaiting;
  absl::Status submitted = pool_->Submit(work_);
  if (submitted.ok()) return true;
  work_->failure = std::move(submitted);
  work_->inbox = nullptr;
  work_->awaiting = nullptr;
  return false;
}

}  // namespace squall::internal
