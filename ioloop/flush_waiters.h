// Internal to ioloop: coroutines that wait until so many octets of a stream are written.
//
//   co_await FlushWaiters::Awaiter(&waiters, 4096);
//   ...
//   waiters.ResumeUpTo(queue.total_removed());
//
// Each is resumed once, in the order of what they wait for. One that is destroyed leaves the list.
#ifndef SQUALL_IOLOOP_FLUSH_WAITERS_H_
#define SQUALL_IOLOOP_FLUSH_WAITERS_H_

#include <coroutine>
#include <cstdint>
#include <limits>

namespace squall::internal {

class FlushWaiters {
 public:
  // Behind every octet.
  static constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();

  class Awaiter;

  FlushWaiters() = default;
  FlushWaiters(const FlushWaiters&) = delete;
  FlushWaiters& operator=(const FlushWaiters&) = delete;

  bool empty() const { return first_ == nullptr; }
  // Those who wait for the octet number `written` or one before. They may add others.
  void ResumeUpTo(uint64_t written);

 private:
  Awaiter* first_ = nullptr;
  Awaiter* last_ = nullptr;
};

class FlushWaiters::Awaiter {
 public:
  Awaiter(FlushWaiters* waiters, uint64_t target) : waiters_(waiters), target_(target) {}
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;
  ~Awaiter() {
    if (writer_) Leave();
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> writer) {
    writer_ = writer;
    // Nearly always at the end.
    before_ = waiters_->last_;
    behind_ = nullptr;
    while (before_ != nullptr && before_->target_ > target_) {
      behind_ = before_;
      before_ = before_->before_;
    }
    LinkToThose(this, this);
  }
  void await_resume() const noexcept {}

 private:
  friend class FlushWaiters;

  void Leave() {
    LinkToThose(behind_, before_);
    writer_ = nullptr;
  }

  // What the one before has behind it, and the one behind before it.
  void LinkToThose(Awaiter* behind_before, Awaiter* before_behind) {
    (before_ == nullptr ? waiters_->first_ : before_->behind_) = behind_before;
    (behind_ == nullptr ? waiters_->last_ : behind_->before_) = before_behind;
  }

  FlushWaiters* const waiters_;
  const uint64_t target_;
  std::coroutine_handle<> writer_;  // Null when not in the list.
  Awaiter* before_ = nullptr;
  Awaiter* behind_ = nullptr;
};

inline void FlushWaiters::ResumeUpTo(uint64_t written) {
  while (first_ != nullptr && first_->target_ <= written) {
    const std::coroutine_handle<> writer = first_->writer_;
    first_->Leave();
    writer.resume();
  }
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_FLUSH_WAITERS_H_
