// Internal: waits on the loop for the end of a child, and reaps it.
#ifndef SQUALL_PROCESS_EXIT_WATCH_H_
#define SQUALL_PROCESS_EXIT_WATCH_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/process/exit_status.h"

namespace squall::internal {

// The loop owns it until the child has ended, so that the child is reaped whoever else forgets it.
// When the loop ends first, a child that has not ended by then is kept in a list of the process and
// reaped by a later ReapForgotten().
class ExitWatch : public std::enable_shared_from_this<ExitWatch> {
 public:
  // Watches on `loop`, this thread's. When that cannot take it (IOLoop::AddHandler), the child is
  // killed.
  static absl::StatusOr<std::shared_ptr<ExitWatch>> Create(IOLoop& loop, UniqueFd pidfd);

  ~ExitWatch();
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;

  // How the child ended, once the loop has seen it.
  const std::optional<ExitStatus>& status() const { return status_; }
  // Of the child; closed when it was reaped.
  const UniqueFd& pidfd() const { return pidfd_; }

  // Called once on the loop, never inside this call, also when the child has ended already. Takes
  // the place of one that was not called yet; null takes that back.
  void SetCallback(absl::AnyInvocable<void(ExitStatus)> callback);

  // Any number of them. The task outlives everybody but the loop.
  static Task<ExitStatus> Wait(std::shared_ptr<ExitWatch> watch);

 private:
  class Awaiter;

  ExitWatch(IOLoop& loop, UniqueFd pidfd) : loop_(&loop), pidfd_(std::move(pidfd)) {}

  void OnReadable();
  void ScheduleCallback();
  void ResumeWaiters();

  IOLoop* const loop_;
  UniqueFd pidfd_;
  std::optional<ExitStatus> status_;
  absl::AnyInvocable<void(ExitStatus)> callback_;
  std::vector<Awaiter*> waiters_;
};

// Reaps what ended of the children whose loop ended before them. Any thread.
void ReapForgotten();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_EXIT_WATCH_H_
