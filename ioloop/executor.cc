#include "squall/ioloop/executor.h"

#include <atomic>
#include <memory>
#include <utility>

#include "squall/ioloop/process_pool.h"

namespace squall {
namespace {

std::atomic<Executor*> own_default{nullptr};
std::atomic<Executor*> chosen_default{nullptr};

}  // namespace

Executor::Executor(Options options)
    : pools_(std::make_shared<internal::ProcessPool>(std::move(options))) {}

Executor::~Executor() { pools_->OfThisProcess()->Close(); }

Executor::Stats Executor::stats() const { return pools_->OfThisProcess()->stats(); }

Executor& Executor::Default() {
  if (Executor* const chosen = chosen_default.load(std::memory_order_acquire)) return *chosen;
  if (Executor* const own = own_default.load(std::memory_order_acquire)) return *own;
  auto made = std::make_unique<Executor>();
  Executor* own = nullptr;
  // Another thread may have been faster.
  if (own_default.compare_exchange_strong(own, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *own;
}

void Executor::SetDefault(Executor* executor) {
  chosen_default.store(executor, std::memory_order_release);
}

}  // namespace squall
