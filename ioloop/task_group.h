// Internal to ioloop: tasks that run side by side for the one coroutine that awaits them; what
// Gather, Race, WithTimeout and WithStop are made of.
//
//   std::optional<int> first, second;
//   internal::TaskGroup group(2);
//   group.Add(internal::RunInGroup(std::move(a), &first, &group));
//   group.Add(internal::RunInGroup(std::move(b), &second, &group));
//   co_await group;
//
// The group is finished when as many tasks are done as it needs, when an exception leaves one, or
// when somebody finishes it. Its coroutine is then resumed, and the tasks that are still suspended
// are destroyed where they stand. Never from within one of them: a task may come to its end inside
// a call that another task of the group makes, so this happens from the loop, in its next iteration.
#ifndef SQUALL_IOLOOP_TASK_GROUP_H_
#define SQUALL_IOLOOP_TASK_GROUP_H_

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "squall/ioloop/frame_cache.h"
#include "squall/ioloop/resume_queue.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

// std::monostate stands for void where there has to be a value.
template <typename T>
using ValueOf = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

// Made by RunInGroup. Suspended at both ends; its owner destroys it.
class GroupTask {
 public:
  struct promise_type : CachedFrame {
    GroupTask get_return_object() {
      return GroupTask(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };

  GroupTask(GroupTask&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  GroupTask& operator=(GroupTask&&) = delete;
  ~GroupTask() {
    if (handle_) handle_.destroy();
  }

  void Start() { handle_.resume(); }

 private:
  explicit GroupTask(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

class TaskGroup {
 public:
  // Finished when `needed` of its tasks are done.
  explicit TaskGroup(size_t needed) : needed_(needed) { tasks_.reserve(needed); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void Add(GroupTask task) { tasks_.push_back(std::move(task)); }

  // The group is an awaitable, once. Starts its tasks here, one after the other, those behind one
  // that finishes the group not any more. Does not suspend if it is finished then. Throws the first
  // exception out of a task.
  bool await_ready();
  void await_suspend(std::coroutine_handle<> awaiting);
  void await_resume();

  bool finished() const { return needed_ == 0; }
  // Finishes the group from a callback or timer of the loop, below which no coroutine is running,
  // and resumes its coroutine there and then. Nothing if it is finished. May destroy the group.
  void FinishHere();

  // Called by RunInGroup.
  void OnTaskDone();
  // Inside a handler of the exception.
  void OnTaskFailed();

 private:
  void Finish();

  size_t needed_;
  bool suspended_ = false;
  std::exception_ptr exception_;
  ResumeNode resume_;
  std::vector<GroupTask> tasks_;
};

// Runs `task` for `group`, and gives `result` its value unless the group is finished before.
template <TaskLike A>
GroupTask RunInGroup(A task, std::optional<ValueOf<typename A::value_type>>* result,
                     TaskGroup* group) {
  using T = typename A::value_type;
  try {
    // A local, so that the task's parameters die when it is done, and not with the group.
    A running = std::move(task);
    if constexpr (std::is_void_v<T>) {
      co_await std::move(running);
      if (!group->finished()) result->emplace();
    } else {
      T value = co_await std::move(running);
      if (!group->finished()) result->emplace(std::move(value));
    }
  } catch (...) {
    group->OnTaskFailed();
    co_return;
  }
  group->OnTaskDone();
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_TASK_GROUP_H_
