#include "squall/ioloop/timer_queue.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace internal {
namespace {

constexpr size_t kMaxFreeNodes = 1024;
constexpr size_t kMinCompaction = 64;

}  // namespace

TimerQueue::~TimerQueue() {
  // The destructor of a callback may cancel or even add other timers of this queue, so all nodes
  // stay until the last callback is gone.
  std::vector<Entry> dead;
  while (!heap_.empty()) {
    std::vector<Entry> batch = std::exchange(heap_, {});
    for (const Entry& entry : batch) {
      entry.node->state = TimerNode::State::kDone;
      const absl::AnyInvocable<void()> callback = std::exchange(entry.node->callback, nullptr);
    }
    dead.insert(dead.end(), batch.begin(), batch.end());
  }
  for (const Entry& entry : dead) Unqueue(entry.node);
  for (TimerNode* node : free_) delete node;
}

Timeout TimerQueue::Add(MonotonicTime deadline, absl::AnyInvocable<void()> callback,
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
  node->state = TimerNode::State::kPending;
  node->queued = true;
  node->has_handle = true;
  heap_.push_back({deadline, next_sequence_++, node});
  std::push_heap(heap_.begin(), heap_.end());
  return Timeout(node);
}

MonotonicTime TimerQueue::NextDeadline() {
  DropCancelledTop();
  return heap_.empty() ? MonotonicTime::Infinite() : heap_.front().deadline;
}

bool TimerQueue::CollectDue(MonotonicTime now) {
  due_.clear();
  next_due_ = 0;
  for (DropCancelledTop(); !heap_.empty() && heap_.front().deadline <= now; DropCancelledTop()) {
    due_.push_back(PopTop());
    due_.back().node->state = TimerNode::State::kDue;
  }
  return !due_.empty();
}

bool TimerQueue::TakeDue(DueTimer& due) {
  // Callbacks do not add to due_, but they cancel timers in it.
  while (next_due_ < due_.size()) {
    const Entry entry = due_[next_due_++];
    const bool runs = entry.node->state == TimerNode::State::kDue;
    if (runs) {
      entry.node->state = TimerNode::State::kDone;
      due.callback = std::exchange(entry.node->callback, nullptr);
      due.deadline = entry.deadline;
      due.where = entry.node->where;
    }
    Unqueue(entry.node);
    if (runs) return true;
  }
  return false;
}

void TimerQueue::Cancel(TimerNode* node) {
  const bool in_heap = node->state == TimerNode::State::kPending;
  if (!in_heap && node->state != TimerNode::State::kDue) return;
  node->state = TimerNode::State::kCancelled;
  // Its destructor may come back to this queue, so it runs last.
  const absl::AnyInvocable<void()> callback = std::exchange(node->callback, nullptr);
  if (!in_heap) return;
  ++cancelled_in_heap_;
  if (cancelled_in_heap_ > kMinCompaction && cancelled_in_heap_ * 2 > heap_.size()) Compact();
}

TimerQueue::Entry TimerQueue::PopTop() {
  const Entry top = heap_.front();
  std::pop_heap(heap_.begin(), heap_.end());
  heap_.pop_back();
  return top;
}

void TimerQueue::DropCancelledTop() {
  while (!heap_.empty() && heap_.front().node->state == TimerNode::State::kCancelled) {
    --cancelled_in_heap_;
    Unqueue(PopTop().node);
  }
}

void TimerQueue::Unqueue(TimerNode* node) {
  node->queued = false;
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

void TimerQueue::Compact() {
  const auto live = std::partition(heap_.begin(), heap_.end(), [](const Entry& entry) {
    return entry.node->state != TimerNode::State::kCancelled;
  });
  for (auto it = live; it != heap_.end(); ++it) Unqueue(it->node);
  heap_.erase(live, heap_.end());
  std::make_heap(heap_.begin(), heap_.end());
  cancelled_in_heap_ = 0;
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
  return node_ != nullptr && (node_->state == internal::TimerNode::State::kPending ||
                              node_->state == internal::TimerNode::State::kDue);
}

}  // namespace squall
