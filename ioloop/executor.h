// Threads for work that blocks: files, name lookups, C libraries, long computations.
//
//   squall::Task<absl::Status> Save(std::string path, std::string text) {
//     auto write = [path = std::move(path), text = std::move(text)] { return WriteFile(path, text); };
//     // Blocks one of the executor's threads; the loop goes on.
//     absl::Status saved = co_await squall::RunInExecutor(std::move(write));
//     co_return saved;
//   }
//
// What the work returns comes back as a StatusOr, or as a Status if it returns nothing or one itself:
//
//   squall::Executor images({.name = "images", .max_threads = 2});
//   absl::StatusOr<Image> image = co_await images.Run([file] { return Decode(file); });
//
// An exception out of the work leaves through the co_await. The callable may be one that can only be
// moved, is called once, and is destroyed before its result is handed over. Give it what it needs by
// value: the coroutine may be gone before it. gcc 12 destroys what a lambda inside a co_await
// expression holds twice, if the coroutine is destroyed there: give such a lambda a variable first, as
// above. One that holds numbers and pointers alone may stand there.
//
// Cancellation: a coroutine that is destroyed while it waits, by WithTimeout, WithStop, Race or the
// end of its loop, takes its work with it if that has not begun. Work that runs cannot be ended from
// outside, but it is asked to, if it takes a std::stop_token; its result is dropped in its thread:
//
//   absl::Status found = co_await squall::WithTimeout(
//       absl::Seconds(5), squall::RunInExecutor([](std::stop_token stop) { Search(stop); }));
//
// Threads are started when there is work for them, from within a loop that runs, with all signals but
// those of faults blocked, and they end when they have had no work for a while. So an Executor may be
// made before ForkProcesses, in a global variable even, and be used in each worker: a process that
// was forked has threads of its own, and nothing of its parent's work. Several threads, each with a
// loop, may use one Executor.
//
// Source: tornado.ioloop.IOLoop.run_in_executor, concurrent.futures.ThreadPoolExecutor.
#ifndef SQUALL_IOLOOP_EXECUTOR_H_
#define SQUALL_IOLOOP_EXECUTOR_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/process_pool.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/thread_pool.h"
#include "squall/ioloop/work.h"
#include "squall/ioloop/work_awaiter.h"

namespace squall {

namespace internal {

template <typename F>
Task<typename WorkOf<F>::Result> RunWork(std::shared_ptr<ProcessPool> pools,
                                         std::shared_ptr<WorkOf<F>> work) {
  // Until its loop runs a process may still fork, and must have no threads then.
  if (!IOLoop::Current().running()) co_await Sleep(absl::ZeroDuration());
  absl::Status done = co_await WorkAwaiter(pools->OfThisProcess(), work);
  if (!done.ok()) co_return done;
  co_return work->TakeResult();
}

}  // namespace internal

class Executor {
 public:
  using Options = ExecutorOptions;  // thread_pool.h
  using Stats = ExecutorStats;

  // Starts nothing. Aborts if max_threads is negative.
  explicit Executor(Options options = {});
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  // Work in the queue fails with CANCELLED; work that runs is asked to stop and waited for, which
  // blocks this thread. Its result still comes. Aborts in a thread of its own.
  ~Executor();

  // Has a thread call `work()` or, if it takes one, `work(std::stop_token)`, once the task is awaited,
  // and gives what it returns: Status for void and Status, else StatusOr<T>, also for StatusOr<T>.
  // RESOURCE_EXHAUSTED with the numbers if the queue is full, or if there is no thread and none can be
  // started; CANCELLED if the executor is destroyed before the work begins. The task may outlive the
  // executor.
  template <typename F>
  Task<typename internal::WorkOf<F>::Result> Run(F work) {
    return internal::RunWork(pools_, std::make_shared<internal::WorkOf<F>>(std::move(work)));
  }

  // Of this process. Any thread.
  Stats stats() const;

  // The process's, of default options, made on first use and never destroyed, so that the process's
  // end waits for nothing that runs in it; or the one that was set. Any thread.
  static Executor& Default();
  // Not owned; must outlive its use. Null: the process's own again.
  // Source: IOLoop.set_default_executor.
  static void SetDefault(Executor* executor);

 private:
  const std::shared_ptr<internal::ProcessPool> pools_;
};

// Executor::Run in the default one.
template <typename F>
Task<typename internal::WorkOf<F>::Result> RunInExecutor(F work) {
  return Executor::Default().Run(std::move(work));
}

}  // namespace squall

#endif  // SQUALL_IOLOOP_EXECUTOR_H_
