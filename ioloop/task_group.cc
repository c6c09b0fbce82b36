#include "squall/ioloop/task_group.h"

#include <coroutine>
#include <exception>
#include <utility>

#include "squall/base/logging.h"
#include "squall/ioloop/invoke.h"

namespace squall::internal {

bool TaskGroup::await_ready() {
  CHECK_GE(tasks_.size(), needed_) << "a group of tasks that can never be finished; "
                                      "Race needs at least one task";
  for (GroupTask& task : tasks_) {
    if (finished()) break;
    task.Start();
  }
  return finished();
}

void TaskGroup::await_suspend(std::coroutine_handle<> awaiting) {
  suspended_ = true;
  resume_.set_coroutine(awaiting);
}

void TaskGroup::await_resume() {
  tasks_.clear();
  if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
}

void TaskGroup::FinishHere() {
  if (finished()) return;
  needed_ = 0;
  if (suspended_) resume_.ResumeHere();
}

void TaskGroup::OnTaskDone() {
  if (!finished() && --needed_ == 0) Finish();
}

void TaskGroup::OnTaskFailed() {
  if (finished()) {
    LogCurrentException("a task that nobody waits for any more");
    return;
  }
  exception_ = std::current_exception();
  Finish();
}

void TaskGroup::Finish() {
  needed_ = 0;
  if (suspended_) resume_.ResumeSoon();
}

}  // namespace squall::internal
