// Internal to ioloop: the threads of an Executor in one process, and the work that waits for them.
//
//   ThreadPool pool(options);
//   absl::Status submitted = pool.Submit(work);  // some thread does it and puts it into its inbox
//
// A thread is started when there is work and no thread waits for any; one that has waited for
// idle_timeout ends. The thread that waits for the shortest time gets the next work, so that the
// others may come to their end, and its caches are warm.
#ifndef SQUALL_IOLOOP_THREAD_POOL_H_
#define SQUALL_IOLOOP_THREAD_POOL_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/work.h"

namespace squall {

struct ExecutorOptions {
  // Of its threads, for top(1), logs and debuggers; Linux keeps the first 15 octets.
  std::string name = "executor";
  // How much work runs at a time, at the most. 0: four more than there are processors for this
  // process (its affinity counts, a control group's quota does not), but not more than 32, as in
  // asyncio: blocking work waits more than it computes, and many threads that do compute only get
  // into each other's way.
  int max_threads = 0;
  // How much may wait while all threads are busy; beyond that it is refused.
  size_t max_queued = 1024;
  // A thread without work for that long ends.
  absl::Duration idle_timeout = absl::Seconds(30);
};

struct ExecutorStats {
  int threads;
  size_t running;
  size_t queued;
};

namespace internal {

class ThreadPool {
 public:
  explicit ThreadPool(const ExecutorOptions& options);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Any thread. RESOURCE_EXHAUSTED if the queue is full or no thread can be started, CANCELLED after
  // Close(); the work then stays the caller's.
  absl::Status Submit(std::shared_ptr<Work> work);
  // Nobody waits for `work` any more, which was submitted: takes it out of the queue, or asks it to
  // stop. Nothing if it is done.
  void Abandon(Work& work);
  // Queued work fails with CANCELLED, running work is asked to stop, and all threads have ended when
  // it returns. Not in one of them.
  void Close();

  ExecutorStats stats() const;
  // Of the process whose threads they are.
  uint64_t fork_generation() const { return fork_generation_; }

 private:
  // Of one thread; kept for the next one when it ends, so that it may be notified at any time.
  struct Worker {
    // kIdle: in idle_. kWoken: taken out of it, to look at the queue.
    enum class State { kBusy, kIdle, kWoken };

    State state = State::kBusy;
    std::condition_variable wake;
    std::thread thread;
    std::shared_ptr<Work> running;
  };

  absl::Status StartThread();
  Worker& UnusedWorker();
  void Run(Worker& worker);
  void Do(Worker& worker, std::unique_lock<std::mutex>& lock);
  void BecomeIdle(Worker& worker);
  bool WaitWhileIdle(Worker& worker, std::unique_lock<std::mutex>& lock);

  const uint64_t fork_generation_;
  const std::string name_;
  const int max_threads_;
  const size_t max_queued_;
  const std::chrono::nanoseconds idle_timeout_;

  mutable std::mutex mutex_;
  bool closing_ = false;
  bool warned_ = false;
  WorkList queue_;
  size_t queued_ = 0;
  size_t running_ = 0;
  int threads_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  // The one that waits for the shortest time is the last.
  std::vector<Worker*> idle_;
  // Of threads that have ended.
  std::vector<Worker*> unused_;
  // The thread that ended last. Each joins the one before it.
  std::thread ended_;
  std::condition_variable all_ended_;
};

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_IOLOOP_THREAD_POOL_H_
