// A value in memory shared between processes, written by one process and read by any number of
// them. A reader never waits for the writer, who may be dead: it tries a bounded number of times
// and says so when it did not get a consistent copy.
//
//   Seqlock<Row> cell;            // in a shared mapping, zeroed at first
//   cell.Store(row);              // the one writer
//   Row copy;
//   if (!cell.Load(&copy)) …      // torn: the writer is (or died) in the middle of Store
//
// The value is kept as relaxed atomic words (Boehm, "Can seqlocks get along with programming
// language memory models?", MSPC 2012), so that there is no data race by the letter of C++ either.
#ifndef SQUALL_PROCESS_SEQLOCK_H_
#define SQUALL_PROCESS_SEQLOCK_H_

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace squall::internal {

static_assert(std::atomic<uint64_t>::is_always_lock_free);

// The sequence counter alone: odd while a write is going on.
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
    // A writer is done within a microsecond unless it lost the processor; then it is given this one
    // a few times. Not often: on a busy machine each time may cost a whole time slice.
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (attempt >= kAttempts - kYields) sched_yield();
      const uint64_t before = value_.load(std::memory_order_acquire);
      if (before & 1) continue;
      copy();
      std::atomic_thread_fence(std::memory_order_acquire);
      if (value_.load(std::memory_order_relaxed) == before) return true;
    }
    return false;
  }

  // Is a write going on, or was one cut short by the writer's death?
  bool torn() const { return value_.load(std::memory_order_relaxed) & 1; }

 private:
  static constexpr int kAttempts = 64;
  static constexpr int kYields = 4;
  std::atomic<uint64_t> value_;
};

template <typename T>
class Seqlock {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // The one writer.
  void Store(const T& value) {
    uint64_t words[kWords] = {};
    std::memcpy(words, &value, sizeof(T));
    sequence_.BeginWrite();
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
    sequence_.EndWrite();
  }

  // Any reader. False, and *value untouched, when no consistent copy was to be had.
  [[nodiscard]] bool Load(T* value) const {
    uint64_t words[kWords];
    const bool consistent = sequence_.Read([&] {
      for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
    });
    if (consistent) std::memcpy(static_cast<void*>(value), words, sizeof(T));
    return consistent;
  }

 private:
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;
  Sequence sequence_;
  std::atomic<uint64_t> words_[kWords];
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SEQLOCK_H_
