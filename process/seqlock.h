// Values in memory shared between processes, written by one process and read by any number of them.
// A reader never waits for the writer, who may be dead: it tries a bounded number of times and says
// so when the writer is, or died, in the middle of a write.
//
//   Seqlock<Row> cell;            // in a shared mapping, zeroed at first
//   cell.Store(row);              // the one writer
//   Row copy;
//   if (!cell.Load(&copy)) …      // torn: `copy` is the value before the write that did not end
//
// Values are kept as relaxed atomic words (Boehm, "Can seqlocks get along with programming language
// memory models?", MSPC 2012), so that there is no data race by the letter of C++ either.
#ifndef SQUALL_PROCESS_SEQLOCK_H_
#define SQUALL_PROCESS_SEQLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace squall::internal {

static_assert(std::atomic<uint64_t>::is_always_lock_free);

// How often a reader tries. A write takes less than a microsecond unless its writer lost the
// processor; then it takes too long to wait for.
inline constexpr int kReadAttempts = 64;

// A sequence counter beside a value that is overwritten in place: odd while a write is going on.
// For the value that a worker writes with each request; there is none to read while it is written.
class Sequence {
 public:
  // Writer. Whatever a dead writer left, the value between Begin and End is odd and new.
  void BeginWrite() {
    value_.store((value_.load(std::memory_order_relaxed) + 1) | 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
  }
  void EndWrite() {
    value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  // Makes the sequence even again after its writer died. By the one that outlived it.
  void Repair() {
    if (value_.load(std::memory_order_relaxed) & 1) EndWrite();
  }

  // Reader: calls `copy` until no write overlapped it; false when that never happened.
  template <typename Copy>
  bool Read(Copy copy) const {
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      const uint64_t before = value_.load(std::memory_order_acquire);
      if (before & 1) continue;
      copy();
      std::atomic_thread_fence(std::memory_order_acquire);
      if (value_.load(std::memory_order_relaxed) == before) return true;
    }
    return false;
  }

 private:
  std::atomic<uint64_t> value_;
};

// Two copies of a value, of which the writer overwrites the older one: wherever it is killed, the
// other one is whole.
template <typename T>
class Seqlock {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // The one writer. Does not mind what a dead one left behind.
  void Store(const T& value) {
    uint64_t words[kWords] = {};
    std::memcpy(words, &value, sizeof(T));
    const uint64_t writing = sequence_.load(std::memory_order_relaxed) | 1;
    sequence_.store(writing, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_release);
    std::atomic<uint64_t>* const copy = copies_[Current(writing) ^ 1];
    for (size_t i = 0; i < kWords; ++i) copy[i].store(words[i], std::memory_order_relaxed);
    sequence_.store(writing + 1, std::memory_order_release);
  }

  // Any reader. False: the writer is, or died, in the middle of Store, and *value is the one before
  // that, or untouched if the writer was faster than this reader each time.
  [[nodiscard]] bool Load(T* value) const {
    uint64_t words[kWords];
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      const std::atomic<uint64_t>* const copy = copies_[Current(before)];
      for (size_t i = 0; i < kWords; ++i) words[i] = copy[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      // The next write goes to the other copy, only the one after it to this one.
      if (sequence_.load(std::memory_order_relaxed) > (before | 1) + 1) continue;
      std::memcpy(static_cast<void*>(value), words, sizeof(T));
      if ((before & 1) == 0) return true;
    }
    return false;
  }

 private:
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;

  // Which copy is whole. The sequence grows by two with each write and is odd during one.
  static size_t Current(uint64_t sequence) { return sequence >> 1 & 1; }

  std::atomic<uint64_t> sequence_;
  std::atomic<uint64_t> copies_[2][kWords];
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SEQLOCK_H_
