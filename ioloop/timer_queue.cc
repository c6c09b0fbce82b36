#include "squall/ioloop/timer_queue.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_entry.h"
#include "squall/ioloop/timer_run.h"

namespace squall {
namespace internal {
namespace {

constexpr size_t kMaxFreeNodes = 1024;
constexpr size_t kMinCancelled = 64;

}  // namespace

TimerQueue::~TimerQueue() {
  // The destructor of a callback may cancel or even add other timers of this queue, so all nodes
  // stay until the last callback is gone.
  std::vector<TimerNode*> dead;
  while (size() > 0) {
    const size_t begin = dead.size();
    const auto take = [&dead](TimerNode* node) {
      dead.push_back(node);
      return true;
    };
    heap_.RemoveIf(take);
    for (TimerRun& run : runs_) run.RemoveIf(take);
    for (size_t i = begin; i < dead.size(); ++i) {
      dead[i]->state = TimerNode::State::kDone;
      const absl::AnyInvocable<void()> callback = std::exchange(dead[i]->callback, nullptr);
    }
  }
  for (TimerNode* node : dead) Unqueue(node);
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
  node->sequence = next_sequence_++;
  node->state = TimerNode::State::kPending;
  node->queued = true;
  node->has_handle = true;

  // The run whose end is the closest: the others keep their room for shorter delays.
  TimerRun* best = nullptr;
  for (TimerRun& run : runs_) {
    if (run.empty()) {
      if (best == nullptr) best = &run;
    } else if (run.back().deadline <= deadline &&
               (best == nullptr || best->empty() || best->back().deadline < run.back().deadline)) {
      best = &run;
    }
  }
  if (best != nullptr) {
    best->PushBack({deadline, node});
  } else {
    heap_.Push({deadline, node});
  }
  return Timeout(node);
}

TimerQueue::Part TimerQueue::FindEarliest() {
  Part earliest;
  const auto is_cancelled = [](const TimerEntry& entry) {
    return entry.node->state == TimerNode::State::kCancelled;
  };
  const auto drop_cancelled = [&](auto& part) {
    while (!part.empty() && is_cancelled(part.front())) {
      TimerNode* const node = part.front().node;
      part.PopFront();
      --cancelled_;
      Unqueue(node);
    }
    return !part.empty() && (earliest.front == nullptr || part.front() < *earliest.front);
  };
  if (drop_cancelled(heap_)) earliest = {&heap_, nullptr, &heap_.front()};
  for (TimerRun& run : runs_) {
    if (drop_cancelled(run)) earliest = {nullptr, &run, &run.front()};
  }
  return earliest;
}

MonotonicTime TimerQueue::NextDeadline() {
  const Part earliest = FindEarliest();
  return earliest.front == nullptr ? MonotonicTime::Infinite() : earliest.front->deadline;
}

void TimerQueue::CollectDue(MonotonicTime now) {
  due_.clear();
  next_due_ = 0;
  for (Part part = FindEarliest(); part.front != nullptr && part.front->deadline <= now;
       part = FindEarliest()) {
    due_.push_back(*part.front);
    part.front->node->state = TimerNode::State::kDue;
    if (part.run != nullptr) {
      part.run->PopFront();
    } else {
      part.heap->PopFront();
    }
  }
}

bool TimerQueue::TakeDue(DueTimer& due) {
  // Callbacks do not add to due_, but they cancel timers in it.
  while (next_due_ < due_.size()) {
    const TimerEntry entry = due_[next_due_++];
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

size_t TimerQueue::size() const {
  size_t sum = heap_.size();
  for (const TimerRun& run : runs_) sum += run.size();
  return sum;
}

void TimerQueue::Cancel(TimerNode* node) {
  const bool waits = node->state == TimerNode::State::kPending;
  if (!waits && node->state != TimerNode::State::kDue) return;
  node->state = TimerNode::State::kCancelled;
  // Its destructor may come back to this queue, so it runs last.
  const absl::AnyInvocable<void()> callback = std::exchange(node->callback, nullptr);
  if (!waits) return;
  ++cancelled_;
  if (cancelled_ > kMinCancelled && cancelled_ * 2 > size()) RemoveCancelled();
}

void TimerQueue::RemoveCancelled() {
  const auto take_cancelled = [this](TimerNode* node) {
    if (node->state != TimerNode::State::kCancelled) return false;
    Unqueue(node);
    return true;
  };
  heap_.RemoveIf(take_cancelled);
  for (TimerRun& run : runs_) run.RemoveIf(take_cancelled);
  cancelled_ = 0;
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
