// Internal to ioloop: the ThreadPool of an Executor in whatever process asks.
//
//   ProcessPool pools(options);
//   std::shared_ptr<ThreadPool> pool = pools.OfThisProcess();
//
// Threads do not survive a fork, and a mutex that one of them held stays locked in the child. So the
// child leaves the pool of its parent alone, with the work in it, and gets one of its own. No lock
// guards the choice, for the same reason.
#ifndef SQUALL_IOLOOP_PROCESS_POOL_H_
#define SQUALL_IOLOOP_PROCESS_POOL_H_

#include <atomic>
#include <memory>

#include "squall/ioloop/thread_pool.h"

namespace squall::internal {

class ProcessPool {
 public:
  explicit ProcessPool(ExecutorOptions options);
  ProcessPool(const ProcessPool&) = delete;
  ProcessPool& operator=(const ProcessPool&) = delete;
  ~ProcessPool();

  // Any thread.
  const std::shared_ptr<ThreadPool>& OfThisProcess();

 private:
  struct Entry {
    std::shared_ptr<ThreadPool> pool;
    // Of the process from which this one was forked.
    Entry* parent = nullptr;
  };

  static bool IsMine(const Entry& entry);

  const ExecutorOptions options_;
  std::atomic<Entry*> entry_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_PROCESS_POOL_H_
