// Internal to ioloop: where the threads of executors leave finished work for a loop.
//
//   absl::StatusOr<std::shared_ptr<WorkInbox>> inbox = WorkInbox::OfThisLoop();
//   inbox->Put(std::move(work));  // in another thread: the work's coroutine is resumed in the loop's
//
// An inbox may outlive its loop: the loop's end closes it, and what comes afterwards is dropped where
// it comes from. IOLoop::AddCallback, in contrast, needs a loop that lives.
#ifndef SQUALL_IOLOOP_WORK_INBOX_H_
#define SQUALL_IOLOOP_WORK_INBOX_H_

#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/work.h"

namespace squall::internal {

class WorkInbox : public std::enable_shared_from_this<WorkInbox> {
 public:
  // Makes it on first use. An error when the machine has no descriptor left for its wake-up.
  static absl::StatusOr<std::shared_ptr<WorkInbox>> OfThisLoop();

  explicit WorkInbox(UniqueFd wake);
  WorkInbox(const WorkInbox&) = delete;
  WorkInbox& operator=(const WorkInbox&) = delete;

  // Any thread.
  void Put(std::shared_ptr<Work> work);

 private:
  class Handler;

  void ResumeAll();
  void Close();

  const uint64_t fork_generation_;
  const UniqueFd wake_;
  std::mutex mutex_;
  bool closed_ = false;
  WorkList finished_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_WORK_INBOX_H_
