#include "squall/ioloop/timer_queue.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_node.h"

namespace squall {
namespace internal {
namespace {

constexpr size_t kMaxFreeNodes = 1024;

}  // namespace

TimerQueue::~TimerQueue() {
  Clear();
  for (TimerNode* node : free_) delete node;
}

void TimerQueue::Clear() {
  // The destructor of a callback may cancel or even add other timers of this queue, so all nodes
  // stay until the last callback is gone.
  std::vector<TimerNode*> dead;
  for (size_t done = 0; size_ > 0;) {
    while (!heap_.empty()) dead.push_back(heap_.TakeTop());
    while (TimerNode* node = wheel_.TakeAny()) {
      for (; node != nullptr; node = node->next) dead.push_back(node);
    }
    size_ = 0;
    for (size_t i = done; i < dead.size(); ++i) dead[i]->state = TimerNode::State::kDone;
    for (; done < dead.size(); ++done) {
      const absl::AnyInvocable<void()> callback = std::exchange(dead[done]->callback, nullptr);
    }
  }
  for (TimerNode* node : dead) Release(node);
}

Timeout TimerQueue::Add(MonotonicTime deadline, absl::AnyInvocable<void()>&& callback,
                        CodeLocation where) {
  TimerNode* node;
  if (free_.empty()) {
    node = new TimerNode;
  } else {
    node = free_.back();
    free_.pop_back();
  }
  node->callback = std::move(callback);
  node->where = where;
  node->queue = this;
  node->has_handle = true;
  node->deadline = deadline;
  node->sequence = next_sequence_++;
  ++size_;
  Insert(node);
  return Timeout(node);
}

[[gnu::hot]] bool TimerQueue::CollectDue(MonotonicTime now) {
  due_.clear();
  next_due_ = 0;
  // The heap first: all that the wheel gives is later.
  while (!heap_.empty() && heap_.NextDeadline() <= now) AddDue(heap_.TakeTop());
  while (TimerNode* const list = wheel_.TakeBegun(now)) CollectOfBucket(list, now);
  size_ -= due_.size();
  return !due_.empty();
}

// Each bucket is later than those before it, so it is sorted for itself.
void TimerQueue::CollectOfBucket(TimerNode* list, MonotonicTime now) {
  const size_t before = due_.size();
  while (list != nullptr) {
    TimerNode* const node = std::exchange(list, list->next);
    if (node->deadline <= now) {
      AddDue(node);
    } else {
      Insert(node);
    }
  }
  // The last that was added stands first; often they are sorted once that is undone.
  const auto begin = due_.begin() + static_cast<std::ptrdiff_t>(before);
  std::reverse(begin, due_.end());
  if (!std::is_sorted(begin, due_.end())) std::sort(begin, due_.end());
}

void TimerQueue::AddDue(TimerNode* node) {
  node->state = TimerNode::State::kDue;
  due_.push_back({node->deadline, node});
}

bool TimerQueue::TakeDue(DueTimer& due) {
  // Callbacks do not add to due_, but they cancel timers in it.
  while (next_due_ < due_.size()) {
    TimerNode* const node = due_[next_due_++].node;
    const bool runs = node->state == TimerNode::State::kDue;
    if (runs) {
      node->state = TimerNode::State::kDone;
      due.callback = std::exchange(node->callback, nullptr);
      due.deadline = node->deadline;
      due.where = node->where;
    }
    Release(node);
    if (runs) return true;
  }
  return false;
}

// Its handle is gone.
void TimerQueue::Cancel(TimerNode* node) {
  // The callback's destructor may come back to this queue, so it runs last.
  const absl::AnyInvocable<void()> callback = std::exchange(node->callback, nullptr);
  switch (node->state) {
    case TimerNode::State::kInHeap:
      heap_.Remove(node);
      break;
    case TimerNode::State::kInWheel:
      wheel_.Remove(node);
      break;
    case TimerNode::State::kDue:
      node->state = TimerNode::State::kCancelled;
      return;
    case TimerNode::State::kCancelled:
    case TimerNode::State::kDone:
      return;
  }
  --size_;
  Recycle(node);
}

// The queue needs it no more.
void TimerQueue::Release(TimerNode* node) {
  if (node->has_handle) {
    node->queue = nullptr;
  } else {
    Recycle(node);
  }
}

void TimerQueue::Recycle(TimerNode* node) {
  if (free_.size() < kMaxFreeNodes) {
    free_.push_back(node);
  } else {
    delete node;
  }
}

}  // namespace internal

void Timeout::Cancel() {
  if (node_ == nullptr) return;
  // Detached first: the callback's destructor may come back to this handle, or end the queue.
  internal::TimerNode* const node = std::exchange(node_, nullptr);
  if (node->queue == nullptr) {
    delete node;
    return;
  }
  internal::TimerQueue* const queue = node->queue;
  node->has_handle = false;
  queue->Cancel(node);
}

void Timeout::Detach() {
  internal::TimerNode* const node = std::exchange(node_, nullptr);
  if (node == nullptr) return;
  node->has_handle = false;
  if (node->queue == nullptr) delete node;
}

bool Timeout::active() const {
  if (node_ == nullptr) return false;
  switch (node_->state) {
    case internal::TimerNode::State::kInHeap:
    case internal::TimerNode::State::kInWheel:
    case internal::TimerNode::State::kDue:
      return true;
    case internal::TimerNode::State::kCancelled:
    case internal::TimerNode::State::kDone:
      break;
  }
  return false;
}

}  // namespace squall
