#include "squall/ioloop/detached_task.h"

#include <coroutine>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/frame_cache.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/task.h"

namespace squall::internal {
namespace {

struct Detached {
  struct promise_type : CachedFrame, DetachedLink {
    ~promise_type() {
      previous->next = next;
      next->previous = previous;
    }
    Detached get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    // Not suspended at the end, the frame destroys itself.
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept {
      LogCurrentException(absl::StrCat("a task spawned at ", where.ToString()));
    }

    CodeLocation where;
  };
  std::coroutine_handle<promise_type> handle;
};

Detached RunDetached(Task<void> task) { co_await std::move(task); }

}  // namespace

void DetachedList::Start(Task<void> task, CodeLocation where) {
  const std::coroutine_handle<Detached::promise_type> handle = RunDetached(std::move(task)).handle;
  handle.promise().where = where;
  DetachedLink& link = handle.promise();
  link.previous = head_.previous;
  link.next = &head_;
  head_.previous->next = &link;
  head_.previous = &link;
  handle.resume();
}

void DetachedList::DestroyAll() {
  while (!empty()) {
    auto& promise = static_cast<Detached::promise_type&>(*head_.next);
    std::coroutine_handle<Detached::promise_type>::from_promise(promise).destroy();
  }
}

}  // namespace squall::internal
