// Producers and consumers.
//
//   squall::Queue<std::string> lines(100);  // at most 100 wait; Put waits while it is full
//
//   squall::Task<> Producer() {
//     absl::Status put = co_await lines.Put("hello");
//   }
//   squall::Task<> Consumer() {
//     while (true) {
//       absl::StatusOr<std::string> line = co_await lines.Get();
//       if (!line.ok()) co_return;  // The queue was destroyed.
//       Use(*line);
//       absl::Status counted = lines.TaskDone();
//     }
//   }
//   absl::Status all_done = co_await lines.Join(absl::Seconds(10));
//
// Queue gives the oldest item first, PriorityQueue the least, of equal ones the oldest, LifoQueue
// the newest. Producers and consumers are each served in the order in which they came. `T` may be
// move-only. For what is resumed when, threads and destruction see event.h.
//
// Nothing is lost: an item that was given to a consumer which is destroyed before it runs goes to
// the next consumer, or back to where it came from, where it may stand above max_size.
//
// Source: tornado.queues.
#ifndef SQUALL_IOLOOP_QUEUE_H_
#define SQUALL_IOLOOP_QUEUE_H_

#include <coroutine>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/ioloop/event.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/queue_items.h"
#include "squall/ioloop/wait_list.h"

namespace squall {

namespace internal {

// `Items` holds the items, and knows which one is next.
template <typename Items>
class BasicQueue {
 public:
  using value_type = typename Items::value_type;

  // `max_size` 0: unbounded.
  explicit BasicQueue(size_t max_size = 0);
  BasicQueue(const BasicQueue&) = delete;
  BasicQueue& operator=(const BasicQueue&) = delete;
  // Drops the items. Producers, consumers and joiners that wait are resumed with CANCELLED.
  ~BasicQueue();

  size_t max_size() const { return max_size_; }
  // Items that wait; those of suspended producers do not count.
  size_t size() const { return state_->items.size(); }
  bool empty() const { return size() == 0; }
  bool full() const { return max_size_ != 0 && size() >= max_size_; }

  class PutAwaiter;
  class GetAwaiter;

  // Awaitable: OK when `item` is in the queue, without suspending if there is room.
  // DEADLINE_EXCEEDED after `timeout`, and the item is dropped, as it is when the producer is
  // destroyed while it waits.
  [[nodiscard]] PutAwaiter Put(value_type item, absl::Duration timeout = absl::InfiniteDuration()) {
    return PutAwaiter(this, std::move(item), timeout);
  }
  // RESOURCE_EXHAUSTED if the queue is full; `item` then keeps its value.
  absl::Status PutNowait(value_type&& item);
  absl::Status PutNowait(const value_type& item) { return PutNowait(value_type(item)); }

  // Awaitable: StatusOr of the next item, without suspending if there is one. DEADLINE_EXCEEDED
  // after `timeout`.
  [[nodiscard]] GetAwaiter Get(absl::Duration timeout = absl::InfiniteDuration()) {
    return GetAwaiter(this, timeout);
  }
  // The next item; UNAVAILABLE if the queue is empty.
  absl::StatusOr<value_type> GetNowait();

  // Says that the work on an item that was got is done; once for each item.
  // FAILED_PRECONDITION if that was said of all that were put.
  absl::Status TaskDone();
  // Awaitable: OK when TaskDone() was called for every item that was put, at once when that is so.
  // DEADLINE_EXCEEDED after `timeout`. Any number of coroutines may join.
  [[nodiscard]] EventAwaiter Join(absl::Duration timeout = absl::InfiniteDuration()) {
    static constexpr WaitText kText{"Queue::Join", "not all items were done"};
    return EventAwaiter(&finished_, kText, timeout);
  }

 private:
  // What a consumer comes back to that is destroyed with an item, maybe after the queue is gone.
  struct State {
    // To the consumer that waits longest; false if nobody does.
    bool HandOver(value_type& item) {
      if (getters.empty()) return false;
      getters.GrantFirst().item_.emplace(std::move(item));
      return true;
    }

    Items items;
    WaitList<GetAwaiter> getters;
  };

  // Whether `item` was taken.
  bool Offer(value_type& item);
  std::optional<value_type> Take();

  const size_t max_size_;
  const LocalPtr<State> state_ = LocalPtr<State>::Make();
  WaitList<PutAwaiter> putters_;
  size_t unfinished_ = 0;
  Event finished_;  // Set while unfinished_ is 0.
};

template <typename Items>
class BasicQueue<Items>::PutAwaiter : public Waiter {
 public:
  PutAwaiter(BasicQueue* queue, value_type item, absl::Duration timeout)
      : Waiter(kText, timeout), queue_(queue), item_(std::move(item)) {}

  bool await_ready() { return queue_->Offer(item_); }
  void await_suspend(std::coroutine_handle<> awaiting) { queue_->putters_.Push(*this, awaiting); }
  absl::Status await_resume() const { return status(); }

 private:
  friend class BasicQueue;
  static constexpr WaitText kText{"Queue::Put", "there was no room"};

  BasicQueue* const queue_;
  value_type item_;
};

template <typename Items>
class BasicQueue<Items>::GetAwaiter : public Waiter {
 public:
  GetAwaiter(BasicQueue* queue, absl::Duration timeout)
      : Waiter(kText, timeout), queue_(queue), state_(queue->state_) {}
  ~GetAwaiter() {
    if (item_ && !state_->HandOver(*item_)) state_->items.PutBack(*std::move(item_));
  }

  bool await_ready() {
    item_ = queue_->Take();
    return item_.has_value();
  }
  void await_suspend(std::coroutine_handle<> awaiting) { state_->getters.Push(*this, awaiting); }
  absl::StatusOr<value_type> await_resume() {
    if (!item_) return status();
    absl::StatusOr<value_type> result = *std::move(item_);
    item_.reset();
    return result;
  }

 private:
  friend struct BasicQueue::State;
  static constexpr WaitText kText{"Queue::Get", "there was no item"};

  BasicQueue* const queue_;
  const LocalPtr<State> state_;
  std::optional<value_type> item_;
};

template <typename Items>
BasicQueue<Items>::BasicQueue(size_t max_size) : max_size_(max_size) {
  finished_.Set();
}

template <typename Items>
BasicQueue<Items>::~BasicQueue() {
  state_->getters.CancelAll();
  // Their destructors may come back.
  const Items dropped = std::exchange(state_->items, Items());
}

template <typename Items>
bool BasicQueue<Items>::Offer(value_type& item) {
  if (!state_->HandOver(item)) {
    if (full()) return false;
    state_->items.Put(std::move(item));
  }
  ++unfinished_;
  finished_.Clear();
  return true;
}

template <typename Items>
std::optional<typename BasicQueue<Items>::value_type> BasicQueue<Items>::Take() {
  // The producer's item goes in first: it may be the next one.
  if (!putters_.empty() && size() <= max_size_) {
    state_->items.Put(std::move(putters_.GrantFirst().item_));
    ++unfinished_;
    finished_.Clear();
  }
  if (empty()) return std::nullopt;
  return state_->items.Take();
}

template <typename Items>
absl::Status BasicQueue<Items>::PutNowait(value_type&& item) {
  if (Offer(item)) return absl::OkStatus();
  return absl::ResourceExhaustedError("Queue::PutNowait: the queue is full");
}

template <typename Items>
absl::StatusOr<typename BasicQueue<Items>::value_type> BasicQueue<Items>::GetNowait() {
  std::optional<value_type> item = Take();
  if (!item) return absl::UnavailableError("Queue::GetNowait: the queue is empty");
  return *std::move(item);
}

template <typename Items>
absl::Status BasicQueue<Items>::TaskDone() {
  if (unfinished_ == 0) {
    return absl::FailedPreconditionError("Queue::TaskDone: called more often than items were put");
  }
  if (--unfinished_ == 0) finished_.Set();
  return absl::OkStatus();
}

}  // namespace internal

template <typename T>
using Queue = internal::BasicQueue<internal::FifoItems<T>>;

// The least item is next.
template <typename T, typename Less = std::less<T>>
using PriorityQueue = internal::BasicQueue<internal::PriorityItems<T, Less>>;

template <typename T>
using LifoQueue = internal::BasicQueue<internal::LifoItems<T>>;

}  // namespace squall

#endif  // SQUALL_IOLOOP_QUEUE_H_
