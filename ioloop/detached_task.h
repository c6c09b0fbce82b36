// Internal to ioloop: coroutines that nobody awaits, kept in a list so that their loop can end
// them.
#ifndef SQUALL_IOLOOP_DETACHED_TASK_H_
#define SQUALL_IOLOOP_DETACHED_TASK_H_

#include <coroutine>
#include <exception>

#include "squall/base/code_location.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

struct DetachedLink {
  DetachedLink* previous = this;
  DetachedLink* next = this;
};

// The list owns the suspended coroutines in it; a coroutine that finishes leaves the list by
// itself.
class DetachedList {
 public:
  DetachedList() = default;
  DetachedList(const DetachedList&) = delete;
  DetachedList& operator=(const DetachedList&) = delete;
  ~DetachedList() { DestroyAll(); }

  // Starts `task` here, until it first suspends. An exception out of it is logged, with `where`.
  void Start(Task<void> task, CodeLocation where = CodeLocation::Here());
  // Destroys every suspended coroutine. Their destructors may start others, which are destroyed as
  // well.
  void DestroyAll();
  bool empty() const { return head_.next == &head_; }

 private:
  DetachedLink head_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_DETACHED_TASK_H_
