// Internal to ioloop: waiting for work in a thread pool.
//
//   absl::Status done = co_await WorkAwaiter(pool, work);  // else why it was not done
#ifndef SQUALL_IOLOOP_WORK_AWAITER_H_
#define SQUALL_IOLOOP_WORK_AWAITER_H_

#include <coroutine>
#include <memory>

#include "absl/status/status.h"
#include "squall/ioloop/thread_pool.h"
#include "squall/ioloop/work.h"

namespace squall::internal {

class WorkAwaiter {
 public:
  WorkAwaiter(std::shared_ptr<ThreadPool> pool, std::shared_ptr<Work> work);
  WorkAwaiter(const WorkAwaiter&) = delete;
  WorkAwaiter& operator=(const WorkAwaiter&) = delete;
  // Nobody waits any more.
  ~WorkAwaiter();

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting);
  absl::Status await_resume() { return std::move(work_->failure); }

 private:
  const std::shared_ptr<ThreadPool> pool_;
  const std::shared_ptr<Work> work_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WORK_AWAITER_H_
