#include "squall/ioloop/process_pool.h"

#include <atomic>
#include <memory>
#include <utility>

#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/thread_pool.h"

namespace squall::internal {
namespace {

// Only so that leak checkers still find what is left alone on purpose.
[[maybe_unused]] std::atomic<const void*> abandoned_entry{nullptr};

}  // namespace

ProcessPool::ProcessPool(ExecutorOptions options)
    : options_(std::move(options)), entry_(new Entry{std::make_shared<ThreadPool>(options_)}) {}

ProcessPool::~ProcessPool() {
  Entry* entry = entry_.load(std::memory_order_relaxed);
  if (IsMine(*entry)) delete std::exchange(entry, entry->parent);
  if (entry != nullptr) abandoned_entry.store(entry, std::memory_order_relaxed);
}

bool ProcessPool::IsMine(const Entry& entry) {
  return entry.pool->fork_generation() == ForkGeneration();
}

const std::shared_ptr<ThreadPool>& ProcessPool::OfThisProcess() {
  Entry* entry = entry_.load(std::memory_order_acquire);
  if (IsMine(*entry)) return entry->pool;
  auto made = std::make_unique<Entry>(Entry{std::make_shared<ThreadPool>(options_), entry});
  // Another thread may have been faster.
  if (entry_.compare_exchange_strong(entry, made.get(), std::memory_order_acq_rel)) {
    return made.release()->pool;
  }
  return entry->pool;
}

}  // namespace squall::internal
