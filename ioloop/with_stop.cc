#include "squall/ioloop/with_stop.h"

#include <memory>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task_group.h"

namespace squall::internal {

StopWatcher::StopWatcher(std::stop_token stop, TaskGroup* group)
    : group_(std::make_shared<TaskGroup*>(group)),
      callback_(std::move(stop), Notify{&IOLoop::Current(), group_}) {}

void StopWatcher::Notify::operator()() const {
  loop->AddCallback([group = group] {
    if (*group != nullptr) (*group)->FinishHere();
  });
}

absl::Status WithStopError() {
  return absl::CancelledError("WithStop: a stop was requested before the task was done");
}

}  // namespace squall::internal
