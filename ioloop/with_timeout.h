// A task with a time limit.
//
//   absl::StatusOr<std::string> line =
//       co_await squall::WithTimeout(absl::Seconds(5), stream.ReadUntil("\n"));
//   if (absl::IsDeadlineExceeded(line.status())) stream.Close();
//
// At the deadline the task is destroyed where it stands, with everything that it awaits; it needs no
// cancellation points. The locks and queues take timeouts themselves.
//
// Source: tornado.gen.with_timeout, which in contrast leaves the task running.
#ifndef SQUALL_IOLOOP_WITH_TIMEOUT_H_
#define SQUALL_IOLOOP_WITH_TIMEOUT_H_

#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/task_group.h"
#include "squall/ioloop/timeout.h"

namespace squall {

namespace internal {
absl::Status WithTimeoutError(absl::Duration timeout);
}  // namespace internal

// The task's result as IOLoop::RunSync gives it: Status for Task<> and Task<Status>, else StatusOr.
// DEADLINE_EXCEEDED `timeout` after it was awaited. A task that completes without suspending is in
// time whatever `timeout` says. An exception out of the task passes on.
template <TaskLike A>
Task<typename internal::RunSyncResult<typename A::value_type>::Type> WithTimeout(
    absl::Duration timeout, A task) {
  using T = typename A::value_type;
  std::optional<internal::ValueOf<T>> result;
  internal::TaskGroup group(1);
  group.Add(internal::RunInGroup(std::move(task), &result, &group));
  Timeout timer;
  if (timeout != absl::InfiniteDuration()) {
    timer = IOLoop::Current().CallLater(timeout, [&group] { group.FinishHere(); });
  }
  co_await group;
  if (!result) co_return internal::WithTimeoutError(timeout);
  if constexpr (std::is_void_v<T>) {
    co_return absl::OkStatus();
  } else {
    co_return *std::move(result);
  }
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_WITH_TIMEOUT_H_
