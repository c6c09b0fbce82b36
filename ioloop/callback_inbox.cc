#include "squall/ioloop/callback_inbox.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "squall/base/logging.h"

namespace squall::internal {
namespace {

// The mutex is held for some nanoseconds; to sleep and to be woken takes thousands.
constexpr int kTriesBeforeSleep = 200;

std::unique_lock<std::mutex> LockSoon(std::mutex& mutex) {
  for (int i = 0; i < kTriesBeforeSleep; ++i) {
    std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
    if (lock.owns_lock()) return lock;
  }
  return std::unique_lock<std::mutex>(mutex);
}

}  // namespace

CallbackInbox::CallbackInbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PCHECK(wake_.valid()) << "cannot make an IOLoop: eventfd failed";
}

void CallbackInbox::Put(absl::AnyInvocable<void()>&& callback, const CodeLocation& where) {
  {
    const std::unique_lock<std::mutex> lock = LockSoon(mutex_);
    callbacks_.push_back({std::move(callback), where});
    // Not again for each: it would take the line from the loop's processor.
    if (callbacks_.size() == 1) has_callbacks_.store(true, std::memory_order_seq_cst);
  }
  if (!waits_.load(std::memory_order_seq_cst) ||
      !waits_.exchange(false, std::memory_order_seq_cst)) {
    return;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(wake_.get(), &one, sizeof one);
}

void CallbackInbox::OnReadable() {
  uint64_t ignored;
  [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &ignored, sizeof ignored);
}

void CallbackInbox::TakeAll(std::vector<AddedCallback>& callbacks) {
  {
    const std::unique_lock<std::mutex> lock = LockSoon(mutex_);
    has_callbacks_.store(false, std::memory_order_relaxed);
    // The usual case: none is moved, and fewer vectors have to be in the cache.
    if (callbacks.empty()) return callbacks.swap(callbacks_);
    taken_.swap(callbacks_);
  }
  std::move(taken_.begin(), taken_.end(), std::back_inserter(callbacks));
  taken_.clear();
}

}  // namespace squall::internal
