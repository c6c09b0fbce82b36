#include "squall/ioloop/resume_queue.h"

#include <utility>

#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"

namespace squall::internal {
namespace {

struct ResumeQueue {
  // Points to itself from the first use on. Constant initialisation and no destructor: coroutines
  // may be destroyed as late as at the end of the thread.
  ListLink head{nullptr, nullptr};
  bool has_callback = false;
};

constinit thread_local ResumeQueue queue;

// The callback that the loop is given.
class ResumeAll {
 public:
  ResumeAll() = default;
  ResumeAll(ResumeAll&& other) noexcept : pending_(std::exchange(other.pending_, false)) {}
  // The loop ends without having run it.
  ~ResumeAll() {
    if (!pending_) return;
    queue.has_callback = false;
    while (queue.head.next != &queue.head) ResumeNode::FirstOf(queue.head).Unlink();
  }

  void operator()() {
    pending_ = false;
    queue.has_callback = false;
    if (queue.head.next == &queue.head) return;
    // What is queued from here on has its turn in the next iteration.
    ListLink batch = queue.head;
    batch.next->previous = batch.previous->next = &batch;
    queue.head = {&queue.head, &queue.head};
    const auto resume_first = [&batch] { ResumeNode::FirstOf(batch).ResumeHere(); };
    while (batch.next != &batch) InvokeLogged("a coroutine", resume_first);
  }

 private:
  bool pending_ = true;
};

}  // namespace

void ResumeNode::MoveTo(ListLink& list) {
  Unlink();
  previous = list.previous;
  next = &list;
  list.previous->next = this;
  list.previous = this;
}

void ResumeNode::Unlink() {
  previous->next = next;
  next->previous = previous;
  previous = next = this;
}

void ResumeNode::ResumeSoon() {
  if (queue.head.next == nullptr) queue.head = {&queue.head, &queue.head};
  MoveTo(queue.head);
  if (std::exchange(queue.has_callback, true)) return;
  IOLoop::Current().AddCallback(ResumeAll());
}

void ResumeNode::ResumeHere() {
  Unlink();
  coroutine_.resume();
}

}  // namespace squall::internal
