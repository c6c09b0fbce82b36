#include "squall/ioloop/fork_generation.h"

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "squall/base/logging.h"

namespace squall::internal {

std::atomic<uint64_t> fork_generation{0};

void NotifyForkedChild() { fork_generation.fetch_add(1, std::memory_order_relaxed); }

void WatchForks() {
  static const int result = pthread_atfork(nullptr, nullptr, NotifyForkedChild);
  CHECK_EQ(result, 0) << "pthread_atfork failed";
}

}  // namespace squall::internal
