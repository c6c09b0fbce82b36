// Internal to ioloop: coroutines that this thread's loop resumes in its next iteration, first come,
// first resumed.
//
//   class MyAwaiter {
//     void await_suspend(std::coroutine_handle<> awaiting) { node_.set_coroutine(awaiting); }
//     void OnReady() { node_.ResumeSoon(); }
//     internal::ResumeNode node_;  // In the coroutine's frame.
//   };
//
// Not resuming from within whoever makes it ready keeps the stack flat, and no code is surprised by
// others that ran inside a call of its own. A node leaves the queue in its destructor, so a
// coroutine that is destroyed meanwhile is not resumed. What is queued when the loop ends is never
// resumed, as with all its callbacks. Used by one thread.
#ifndef SQUALL_IOLOOP_RESUME_QUEUE_H_
#define SQUALL_IOLOOP_RESUME_QUEUE_H_

#include <coroutine>

namespace squall::internal {

// A link of a circular list; the head of a list is a link as well, and points to itself when empty.
struct ListLink {
  ListLink* previous;
  ListLink* next;
};

class ResumeNode : private ListLink {
 public:
  ResumeNode() : ListLink{this, this} {}
  ResumeNode(const ResumeNode&) = delete;
  ResumeNode& operator=(const ResumeNode&) = delete;
  ~ResumeNode() { Unlink(); }

  void set_coroutine(std::coroutine_handle<> coroutine) { coroutine_ = coroutine; }

  // Leaves the list that it is in, if any, and joins the end of `list`.
  void MoveTo(ListLink& list);
  void Unlink();
  // The first of `list`, which must not be empty and must hold nothing but nodes.
  static ResumeNode& FirstOf(const ListLink& list) { return static_cast<ResumeNode&>(*list.next); }

  // Leaves the list that it is in, and has the coroutine resumed in the next iteration.
  void ResumeSoon();
  // Leaves the list that it is in, and resumes the coroutine here. Only from a callback or timer of
  // the loop, below which no coroutine is running. May destroy this node.
  void ResumeHere();

 private:
  std::coroutine_handle<> coroutine_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_RESUME_QUEUE_H_
