// Internal to ioloop: how the kinds of queues keep their items. queue.h is the queue.
#ifndef SQUALL_IOLOOP_QUEUE_ITEMS_H_
#define SQUALL_IOLOOP_QUEUE_ITEMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace squall::internal {

// In all of them Take() gives the next item and needs size() > 0; PutBack() makes an item the next
// again that had been it, as far as the order allows.
template <typename T>
class FifoItems {
 public:
  using value_type = T;

  size_t size() const { return items_.size(); }
  void Put(T&& item) { items_.push_back(std::move(item)); }
  void PutBack(T&& item) { items_.push_front(std::move(item)); }
  T Take() {
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::deque<T> items_;
};

template <typename T>
class LifoItems {
 public:
  using value_type = T;

  size_t size() const { return items_.size(); }
  void Put(T&& item) { items_.push_back(std::move(item)); }
  void PutBack(T&& item) { Put(std::move(item)); }
  T Take() {
    T item = std::move(items_.back());
    items_.pop_back();
    return item;
  }

 private:
  std::vector<T> items_;
};

template <typename T, typename Less>
class PriorityItems {
 public:
  using value_type = T;

  size_t size() const { return heap_.size(); }
  void Put(T&& item) { Push({std::move(item), next_sequence_++}); }
  // Before its equals, where it was.
  void PutBack(T&& item) { Push({std::move(item), --first_sequence_}); }
  T Take() {
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    T item = std::move(heap_.back().item);
    heap_.pop_back();
    return item;
  }

 private:
  struct Entry {
    T item;
    int64_t sequence;
  };
  // std::push_heap makes a max-heap; the least has to be on top.
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      if (Less()(b.item, a.item)) return true;
      return !Less()(a.item, b.item) && a.sequence > b.sequence;
    }
  };

  void Push(Entry entry) {
    heap_.push_back(std::move(entry));
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }

  std::vector<Entry> heap_;
  int64_t next_sequence_ = 0;
  int64_t first_sequence_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_QUEUE_ITEMS_H_
