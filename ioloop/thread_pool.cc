#include "squall/ioloop/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/work.h"
#include "squall/ioloop/work_inbox.h"

namespace squall::internal {
namespace {

constexpr size_t kLongestName = 15;

// The pool whose thread this is.
constinit thread_local const ThreadPool* pool_of_thread = nullptr;

int MaxThreads(int option) {
  CHECK_GE(option, 0) << "ExecutorOptions::max_threads is " << option
                      << "; it must be positive, or 0 for the default";
  if (option > 0) return option;
  return std::min(32, static_cast<int>(std::thread::hardware_concurrency()) + 4);
}

// No signal comes to a thread of the pool, where nobody expects it, but those of faults: blocked,
// they would end the process without a word.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t set;
    ::sigfillset(&set);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
      ::sigdelset(&set, fault);
    }
    ::pthread_sigmask(SIG_SETMASK, &set, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

absl::Status GoneError() {
  return absl::CancelledError("Executor::Run: the executor was destroyed before the work began");
}

// To the loop that asked for it.
void Deliver(std::shared_ptr<Work> work) {
  const std::shared_ptr<WorkInbox> inbox = std::move(work->inbox);
  inbox->Put(std::move(work));
}

}  // namespace

ThreadPool::ThreadPool(const ExecutorOptions& options)
    : fork_generation_((WatchForks(), ForkGeneration())),
      name_(options.name.substr(0, kLongestName)),
      max_threads_(MaxThreads(options.max_threads)),
      max_queued_(options.max_queued),
      // As good as for ever, and far from overflow.
      idle_timeout_(
          absl::ToChronoNanoseconds(std::min(options.idle_timeout, absl::Hours(24 * 365)))) {}

absl::Status ThreadPool::Submit(std::shared_ptr<Work> work) {
  Worker* woken = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closing_) return GoneError();
    const size_t busy = queued_ + running_;
    const size_t threads = max_threads_;
    if (busy >= threads && busy - threads >= max_queued_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "Executor::Run: ", running_, " works run and ", queued_, " wait in executor '", name_,
          "', which has max_threads ", max_threads_, " and max_queued ", max_queued_));
    }
    if (!idle_.empty()) {
      woken = idle_.back();
      idle_.pop_back();
      woken->state = Worker::State::kWoken;
    } else if (threads_ < max_threads_) {
      const absl::Status started = StartThread();
      if (!started.ok() && threads_ == 0) return started;
      if (!started.ok() && !std::exchange(warned_, true)) {
        LOG(WARNING) << started.message() << "; executor '" << name_ << "' goes on with "
                     << threads_ << " of " << max_threads_;
      }
    }
    work->state = Work::State::kQueued;
    queue_.PushBack(std::move(work));
    ++queued_;
  }
  if (woken != nullptr) woken->wake.notify_one();
  return absl::OkStatus();
}

absl::Status ThreadPool::StartThread() {
  Worker& worker = UnusedWorker();
  try {
    const SignalsBlocked blocked;
    worker.thread = std::thread(&ThreadPool::Run, this, std::ref(worker));
  } catch (const std::system_error& error) {
    unused_.push_back(&worker);
    return absl::ResourceExhaustedError(
        absl::StrCat("Executor::Run: cannot start a thread: ", error.code().message()));
  }
  ++threads_;
  return absl::OkStatus();
}

ThreadPool::Worker& ThreadPool::UnusedWorker() {
  if (unused_.empty()) return *workers_.emplace_back(std::make_unique<Worker>());
  Worker* const worker = unused_.back();
  unused_.pop_back();
  return *worker;
}

void ThreadPool::Abandon(Work& work) {
  // Destroyed when the mutex is free: its callable may hold anything.
  std::shared_ptr<Work> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    switch (work.state) {
      case Work::State::kQueued:
        work.state = Work::State::kEnded;
        dropped = queue_.Take(work);
        --queued_;
        return;
      case Work::State::kRunning:
        work.state = Work::State::kAbandoned;
        break;
      case Work::State::kNew:
      case Work::State::kAbandoned:
      case Work::State::kEnded:
        return;
    }
  }
  work.RequestStop();
}

void ThreadPool::Close() {
  CHECK(pool_of_thread != this) << "executor '" << name_
                                << "' was destroyed in one of its threads, for which it would wait";
  WorkList queue;
  std::vector<std::shared_ptr<Work>> running;
  std::unique_lock<std::mutex> lock(mutex_);
  closing_ = true;
  while (std::shared_ptr<Work> work = queue_.TakeFirst()) {
    work->state = Work::State::kEnded;
    work->failure = GoneError();
    queue.PushBack(std::move(work));
  }
  queued_ = 0;
  for (const std::unique_ptr<Worker>& worker : workers_) {
    if (worker->running != nullptr) running.push_back(worker->running);
  }
  for (Worker* const worker : std::exchange(idle_, {})) {
    worker->state = Worker::State::kWoken;
    worker->wake.notify_one();
  }
  lock.unlock();
  while (std::shared_ptr<Work> work = queue.TakeFirst()) Deliver(std::move(work));
  for (const std::shared_ptr<Work>& work : running) work->RequestStop();
  running.clear();
  lock.lock();
  all_ended_.wait(lock, [this] { return threads_ == 0; });
  std::thread last = std::move(ended_);
  lock.unlock();
  if (last.joinable()) last.join();
}

ExecutorStats ThreadPool::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {threads_, running_, queued_};
}

void ThreadPool::Run(Worker& worker) {
  ::pthread_setname_np(::pthread_self(), name_.c_str());
  pool_of_thread = this;
  std::unique_lock<std::mutex> lock(mutex_);
  worker.state = Worker::State::kBusy;
  while (true) {
    if (worker.state == Worker::State::kIdle && !WaitWhileIdle(worker, lock)) break;
    worker.state = Worker::State::kBusy;
    worker.running = queue_.TakeFirst();
    if (worker.running != nullptr) {
      Do(worker, lock);
    } else if (closing_) {
      break;
    } else {
      BecomeIdle(worker);
    }
  }
  // It may be joined from here on, by the next thread that ends or by Close().
  std::thread previous = std::exchange(ended_, std::move(worker.thread));
  unused_.push_back(&worker);
  if (--threads_ == 0) all_ended_.notify_all();
  lock.unlock();
  if (previous.joinable()) previous.join();
}

void ThreadPool::Do(Worker& worker, std::unique_lock<std::mutex>& lock) {
  worker.running->state = Work::State::kRunning;
  --queued_;
  ++running_;
  lock.unlock();
  worker.running->Do();
  lock.lock();
  std::shared_ptr<Work> work = std::move(worker.running);
  --running_;
  const bool abandoned = work->state == Work::State::kAbandoned;
  work->state = Work::State::kEnded;
  // Before the result is there: whoever is resumed by it and brings more then finds this thread.
  if (!abandoned && queue_.empty() && !closing_) BecomeIdle(worker);
  lock.unlock();
  if (abandoned) {
    work->LogException();
    work.reset();
  } else {
    Deliver(std::move(work));
  }
  lock.lock();
}

void ThreadPool::BecomeIdle(Worker& worker) {
  worker.state = Worker::State::kIdle;
  idle_.push_back(&worker);
}

// False if nobody woke it within the time.
bool ThreadPool::WaitWhileIdle(Worker& worker, std::unique_lock<std::mutex>& lock) {
  const auto woken = [&worker] { return worker.state == Worker::State::kWoken; };
  if (worker.wake.wait_for(lock, idle_timeout_, woken)) return true;
  idle_.erase(std::find(idle_.begin(), idle_.end(), &worker));
  return false;
}

}  // namespace squall::internal
