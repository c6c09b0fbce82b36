// A task that others can stop.
//
//   std::stop_source stop;
//   absl::Status served = co_await squall::WithStop(stop.get_token(), Serve(std::move(stream)));
//   // Meanwhile, from any thread:
//   stop.request_stop();  // `served` is CANCELLED
//
// When a stop is requested the task is destroyed where it stands, with everything that it awaits: a
// read of a stream, a Sleep, a place in a queue. That happens on the loop of the task, in its next
// iteration, not inside request_stop(), which may be called from any thread, several times, and
// from within the task itself.
#ifndef SQUALL_IOLOOP_WITH_STOP_H_
#define SQUALL_IOLOOP_WITH_STOP_H_

#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/task_group.h"

namespace squall {

namespace internal {

// Finishes `group` on this thread's loop when `stop` is requested.
class StopWatcher {
 public:
  StopWatcher(std::stop_token stop, TaskGroup* group);
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;
  ~StopWatcher() { *group_ = nullptr; }

 private:
  // Runs in the thread that requests the stop. The destructor of the std::stop_callback waits for it
  // there, so the loop, which destroys its tasks, is alive.
  struct Notify {
    void operator()() const;
    IOLoop* loop;
    std::shared_ptr<TaskGroup*> group;
  };

  // Null once there is nothing to finish. Looked at on the loop's thread only.
  const std::shared_ptr<TaskGroup*> group_;
  std::stop_callback<Notify> callback_;
};

absl::Status WithStopError();

}  // namespace internal

// The task's result as IOLoop::RunSync gives it: Status for Task<> and Task<Status>, else StatusOr.
// CANCELLED when `stop` is requested before the task is done; if it is already, the task never
// starts. An exception out of the task passes on.
template <TaskLike A>
Task<typename internal::RunSyncResult<typename A::value_type>::Type> WithStop(std::stop_token stop,
                                                                              A task) {
  using T = typename A::value_type;
  if (stop.stop_requested()) co_return internal::WithStopError();
  std::optional<internal::ValueOf<T>> result;
  internal::TaskGroup group(1);
  group.Add(internal::RunInGroup(std::move(task), &result, &group));
  const internal::StopWatcher watcher(std::move(stop), &group);
  co_await group;
  if (!result) co_return internal::WithStopError();
  if constexpr (std::is_void_v<T>) {
    co_return absl::OkStatus();
  } else {
    co_return *std::move(result);
  }
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_WITH_STOP_H_
