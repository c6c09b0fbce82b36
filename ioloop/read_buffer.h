// Internal to ioloop: received octets, contiguous, taken from the front.
#ifndef SQUALL_IOLOOP_READ_BUFFER_H_
#define SQUALL_IOLOOP_READ_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace squall::internal {

// Amortised O(1) per octet. Empty it is one null pointer, for idle connections are many.
class ReadBuffer {
 public:
  size_t size() const {
    return storage_ == nullptr ? 0 : storage_->octets.size() - storage_->begin;
  }
  bool empty() const { return storage_ == nullptr; }
  // Octets of memory for octets.
  size_t capacity() const { return storage_ == nullptr ? 0 : storage_->octets.capacity(); }
  // Valid until the next Append, Take or Drop.
  std::string_view view() const {
    if (storage_ == nullptr) return {};
    return std::string_view(storage_->octets).substr(storage_->begin);
  }

  // view(), valid through Appends until the next Take or Drop.
  std::string_view PinnedView() {
    if (storage_ == nullptr) return {};
    storage_->is_pinned = true;
    return view();
  }

  void Append(std::string_view octets) {
    if (octets.empty()) return;
    if (storage_ == nullptr) {
      storage_ = std::make_unique<Storage>();
      // No string that lives inside its object: those change their place when they are moved.
      storage_->octets.reserve(std::max(octets.size(), kSmallest));
    }
    Storage& storage = *storage_;
    const bool full = storage.octets.size() + octets.size() > storage.octets.capacity();
    // Moves at most as many octets as were taken since the last move.
    if (full || storage.begin > storage.octets.size() / 2) {
      if (std::exchange(storage.is_pinned, false)) {
        std::string moved;
        moved.reserve(std::max(2 * (size() + octets.size()), kSmallest));
        moved.assign(storage.octets, storage.begin);
        storage.pinned = std::exchange(storage.octets, std::move(moved));
      } else {
        storage.octets.erase(0, storage.begin);
      }
      storage.begin = 0;
    }
    storage.octets.append(octets);
  }

  // Keeps `memory`, to which a view of the octets points, until the next Take or Drop. There must be
  // octets.
  void KeepForView(std::unique_ptr<char[]> memory) { storage_->pinned_memory = std::move(memory); }

  // Gives memory back when little is left of much, before a wait that may be long.
  void Shrink() {
    if (storage_ != nullptr) ShrinkStorage();
  }

  // The first `n` <= size() octets.
  std::string Take(size_t n) {
    std::string taken;
    if (n == 0) return taken;
    if (storage_->begin == 0 && n == storage_->octets.size()) {
      taken.swap(storage_->octets);
      storage_.reset();
      return taken;
    }
    taken.assign(storage_->octets, storage_->begin, n);
    Drop(n);
    return taken;
  }

  // Forgets the first `n` <= size() octets.
  void Drop(size_t n) {
    if (storage_ != nullptr) DropStored(n);
  }

 private:
  static constexpr size_t kSmallest = 64;
  static constexpr size_t kWorthShrinking = 4096;

  // Out of line, as what follows: a message of which nothing is left has no use for it.
  [[gnu::noinline]] void DropStored(size_t n) {
    std::string().swap(storage_->pinned);
    storage_->pinned_memory.reset();
    storage_->is_pinned = false;
    storage_->begin += n;
    if (storage_->begin == storage_->octets.size()) storage_.reset();
  }

  [[gnu::noinline]] void ShrinkStorage() {
    if (storage_->is_pinned) return;
    const size_t room = storage_->octets.capacity();
    if (room < kWorthShrinking || size() > room / 8) return;
    std::string small;
    small.reserve(std::max(size(), kSmallest));
    small.assign(storage_->octets, storage_->begin);
    storage_->octets = std::move(small);
    storage_->begin = 0;
  }

  struct Storage {
    std::string octets;
    size_t begin = 0;
    // What a view still points at after `octets` had to move.
    std::string pinned;
    std::unique_ptr<char[]> pinned_memory;
    bool is_pinned = false;
  };

  std::unique_ptr<Storage> storage_;  // Null when there are none.
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_READ_BUFFER_H_
