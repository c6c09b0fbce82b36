// The event loop: one per thread, on epoll, with Tornado's rules.
//
//   squall::IOLoop& loop = squall::IOLoop::Current();
//   absl::Status added =
//       loop.AddHandler(fd, squall::IOLoop::kRead, [fd](uint32_t events) { OnReadable(fd); });
//   squall::Timeout tick = loop.CallLater(absl::Seconds(1), [] { LOG(INFO) << "tick"; });
//   absl::Status watched = loop.AddSignalHandler(SIGTERM, [&loop](int) { loop.Stop(); });
//   loop.Start();  // until Stop()
//
// One iteration runs the callbacks that were there at its start, then the due timers, then waits
// for descriptors and runs their handlers. What a callback adds runs in the next iteration, so
// nothing starves. A handler that is removed does not run any more, not even in the iteration that
// has seen its event, and not if its descriptor number is in use again. Exceptions out of callbacks
// are logged and the loop goes on.
//
// What is slow is found by its place: AddHandler, AddCallback, CallLater, CallAt and Spawn remember
// the line that called them, as the name of the callback in stats(), in log lines of
// SetSlowCallbackThreshold and of exceptions.
//
// A loop belongs to the thread and to the process that made it. AddCallback may be called from any
// thread; all else from the loop's own. In another process, after a fork, every call aborts with a
// sentence that says so, but RemoveHandler, which does nothing there, so that destructors may run.
// Make loops after forking.
//
// Source: tornado.ioloop (4.x), reference/tornado.md 1.3.
#ifndef SQUALL_IOLOOP_IOLOOP_H_
#define SQUALL_IOLOOP_IOLOOP_H_

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/callback_inbox.h"
#include "squall/ioloop/detached_task.h"
#include "squall/ioloop/loop_meter.h"
#include "squall/ioloop/loop_record.h"
#include "squall/ioloop/loop_stats.h"
#include "squall/ioloop/signal_watcher.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_queue.h"
#include "squall/ioloop/wait_alarm.h"

namespace squall {

namespace internal {

class StreamState;

// What RunSync(Task<T>) returns: a Status for nothing, else a StatusOr, never one inside the other.
template <typename T>
struct RunSyncResult {
  using Type = absl::StatusOr<T>;
};
template <typename T>
struct RunSyncResult<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};
template <>
struct RunSyncResult<absl::Status> {
  using Type = absl::Status;
};
template <>
struct RunSyncResult<void> {
  using Type = absl::Status;
};

}  // namespace internal

class alignas(4096) IOLoop {
 public:
  // Events of a handler; EPOLLRDHUP and EPOLLEXCLUSIVE may be or-ed in. kError is always reported.
  static constexpr uint32_t kNone = 0;
  static constexpr uint32_t kRead = EPOLLIN;
  static constexpr uint32_t kWrite = EPOLLOUT;
  static constexpr uint32_t kError = EPOLLERR | EPOLLHUP;

  using Callback = absl::AnyInvocable<void()>;
  // Called with the events that are there, a subset of those asked for plus kError.
  using FdCallback = absl::AnyInvocable<void(uint32_t events)>;
  using SignalCallback = absl::AnyInvocable<void(int signo)>;

  // This thread's loop, made on first use and destroyed when the thread ends. Aborts when the loop
  // was made before a fork, or when the machine has no descriptor left for one.
  static IOLoop& Current();
  // This thread's loop if it has one in this process, else null. For destructors.
  static IOLoop* IfExists();
  // Whether any thread of this process, or of a process it was forked from, has a loop. Any thread.
  static bool Exists();
  // Destroys this thread's loop, which must not be running: handlers, callbacks, timers and spawned
  // tasks are dropped, descriptors of the users stay open. The next Current() makes a new one.
  // Nothing if there is none.
  static void ClearCurrent();

  IOLoop(const IOLoop&) = delete;
  IOLoop& operator=(const IOLoop&) = delete;
  ~IOLoop();

  // Runs until Stop(). Called inside a callback of this loop it aborts: loops do not nest.
  void Start();
  // Ends Start() after the running iteration. Before Start(), makes the next Start() return at
  // once.
  void Stop();
  // Whether the thread is inside Start().
  bool running() const { return running_; }

  // Calls `callback` on the loop whenever `fd` is ready for `events`, level-triggered. The
  // descriptor stays the caller's, who removes the handler before closing it. ALREADY_EXISTS if
  // `fd` has a handler, INVALID_ARGUMENT for a negative one, else what epoll_ctl says: EPERM for
  // regular files, EBADF, ENOSPC.
  absl::Status AddHandler(int fd, uint32_t events, FdCallback callback,
                          CodeLocation where = CodeLocation::Here());
  // Changes the events. NOT_FOUND if `fd` has no handler. A call that changes nothing costs
  // nothing.
  absl::Status UpdateHandler(int fd, uint32_t events);
  // Nothing if `fd` has no handler. A callback may remove its own handler; the callable then lives
  // until the callback returns.
  void RemoveHandler(int fd);

  // Runs `callback` in the next iteration. Any thread, and the only function for any thread; the
  // loop must outlive the call. Callbacks of one thread run in their order. Dropped if the loop
  // ends first.
  void AddCallback(Callback callback, CodeLocation where = CodeLocation::Here());

  // Runs `callback` once, `delay` from now (the clock's now, not Now()) or at `when`. Never early;
  // late by the timer slack of the thread (50 us unless prctl(2) PR_SET_TIMERSLACK says less) if it
  // is less than 2 ms away when the loop begins to wait, by the time that the kernel takes to wake
  // the thread, and by what else the loop does; before Linux 5.11 by up to 1 ms more. The handle's
  // destructor cancels.
  [[nodiscard]] Timeout CallLater(absl::Duration delay, Callback callback,
                                  CodeLocation where = CodeLocation::Here());
  [[nodiscard]] Timeout CallAt(MonotonicTime when, Callback callback,
                               CodeLocation where = CodeLocation::Here());

  // Runs `callback` on the loop for each delivery of `signo` (pending ones of the same number
  // coalesce, see signal(7)). Blocks the signal in this thread; threads started later inherit that,
  // so add handlers before starting threads, and unblock before exec. ALREADY_EXISTS, or
  // INVALID_ARGUMENT for SIGKILL, SIGSTOP, faults.
  absl::Status AddSignalHandler(int signo, SignalCallback callback);
  // Nothing if there is none. A signal that was not blocked before is delivered in the default way
  // again.
  void RemoveSignalHandler(int signo);

  // Runs `task` until it first suspends, and the rest on the loop. Exceptions out of it are logged.
  // A task that is suspended when the loop ends is destroyed where it stands.
  void Spawn(Task<> task, CodeLocation where = CodeLocation::Here());

  // Runs the loop until `task` is done, and returns its result; an exception out of it passes on. A
  // task of Status or StatusOr gives that itself. DEADLINE_EXCEEDED after `timeout`, ABORTED if the
  // loop was stopped; in both cases the task is destroyed. Source: IOLoop.run_sync.
  template <TaskLike A>
  typename internal::RunSyncResult<typename A::value_type>::Type RunSync(
      A task, absl::Duration timeout = absl::InfiniteDuration());

  // Has `meter` tell how the loop does, from the next turn on. It may stand in shared memory:
  // another process can tell by it whether this one would answer at once. Not owned; must outlive
  // the loop or be replaced. Null: none.
  void SetMeter(LoopMeter* meter) {
    meter_ = meter;
    turn_began_ = Now();
  }

  // What the loop has done since it was made, or since ResetStats(). Costs no look at the clock.
  LoopStats stats() const { return record_.Stats(); }
  void ResetStats() { record_.Reset(); }

  // Logs a WARNING for a callback, handler or timer that takes at least `threshold`, with its name
  // and its duration: meanwhile the loop serves nobody. One line a second at most, which tells how
  // many others there were. Each call is timed from then on, which costs a look at the clock, and
  // stats() knows the longest. absl::InfiniteDuration(), the default, turns it off: a program of
  // squall's may block on purpose, with processes enough. asyncio's slow_callback_duration, in its
  // debug mode, is 100 ms.
  void SetSlowCallbackThreshold(absl::Duration threshold) { record_.SetSlowThreshold(threshold); }

  // The time at which this iteration began to run its callbacks or handlers, or a later one; the
  // clock's when the loop does not run. Costs a load.
  MonotonicTime Now() const { return running_ ? now_ : Clock::RealNow(); }

 private:
  // What is called for events: a function with an object, which costs less than an FdCallback.
  using FdFunction = void (*)(void* object, uint32_t events);
  friend class internal::StreamState;

  struct Handler {
    void operator()(uint32_t ready) { function(object, ready); }

    FdFunction function = nullptr;
    void* object = nullptr;
    uint32_t generation = 0;
    uint32_t events = 0;
    // What it belongs to, perhaps: a call looks there first.
    const void* owner = nullptr;
    FdCallback callback;  // Null with a function of its own.
    CodeLocation where;
  };

  struct SyncRun {
    IOLoop* loop;
    bool done = false;
    bool looping = false;
    std::exception_ptr exception = nullptr;
    void Finish();
  };

  struct ThreadSlot;

  IOLoop();

  static ThreadSlot& Slot();
  void CheckProcess(std::string_view function) const;
  void CheckThread(std::string_view function) const;
  bool BeginRun();
  void RunUntilStopped();
  void RunIteration();
  void RunCallbacks();
  bool RunTimers(bool called);
  void LookAtClock();
  template <typename Callable, typename... Args>
  void Call(internal::CallKind kind, const CodeLocation& where, Callable& callable,
            Args... args) noexcept;
  void EndTurn();
  void Poll(bool called);
  absl::Status AddHandler(int fd, uint32_t events, FdFunction function, void* object,
                          CodeLocation where = CodeLocation::Here());
  absl::StatusOr<Handler*> MakeHandler(int fd, uint32_t events, CodeLocation where);
  void Dispatch(const epoll_event& event);
  Handler* HandlerOf(const epoll_event& event) const;
  void PrefetchBehind(int i, int count) const;
  void Recycle(std::unique_ptr<Handler> handler);
  absl::Status Control(int operation, int fd, uint32_t events, uint32_t generation);
  absl::Status RunUntilDone(SyncRun& run, absl::Duration timeout);

  template <TaskLike A>
  static Task<> StoreResult(A task, std::optional<typename A::value_type>* result, SyncRun* run);
  static Task<> StoreNothing(Task<> task, SyncRun* run);

  // What each turn uses comes first and together, for it is as much as a page.
  UniqueFd epoll_;
  bool running_ = false;
  bool stop_requested_ = false;
  bool closing_ = false;
  bool watches_signals_ = false;
  uint32_t next_generation_ = 1;
  const uint64_t fork_generation_;
  MonotonicTime now_;
  MonotonicTime turn_began_;
  LoopMeter* meter_ = nullptr;
  internal::WaitAlarm alarm_;

  // Indexed by descriptor. Each handler keeps its address, because a running callable must not be
  // moved.
  std::vector<std::unique_ptr<Handler>> handlers_;
  // The handler that is being called, and itself again when it was removed meanwhile.
  Handler* executing_ = nullptr;
  std::unique_ptr<Handler> removed_while_executing_;

  std::vector<internal::AddedCallback> callbacks_;
  std::vector<internal::AddedCallback> running_callbacks_;
  internal::CallbackInbox inbox_;
  internal::LoopRecord record_;
  epoll_event events_[128];
  internal::TimerQueue timers_;

  std::vector<std::unique_ptr<Handler>> free_handlers_;
  internal::SignalWatcher signals_;
  internal::DetachedList spawned_;
};

template <TaskLike A>
Task<> IOLoop::StoreResult(A task, std::optional<typename A::value_type>* result, SyncRun* run) {
  try {
    result->emplace(co_await std::move(task));
  } catch (...) {
    run->exception = std::current_exception();
  }
  run->Finish();
}

template <TaskLike A>
typename internal::RunSyncResult<typename A::value_type>::Type IOLoop::RunSync(
    A task, absl::Duration timeout) {
  using T = typename A::value_type;
  SyncRun run{this};
  if constexpr (std::is_void_v<T>) {
    internal::DetachedList tasks;
    tasks.Start(StoreNothing(std::move(task), &run));
    return RunUntilDone(run, timeout);
  } else {
    std::optional<T> result;
    internal::DetachedList tasks;
    tasks.Start(StoreResult(std::move(task), &result, &run));
    if (absl::Status status = RunUntilDone(run, timeout); !status.ok()) return status;
    return *std::move(result);
  }
}

namespace internal {

// Called at every IOLoop::Start, before the first iteration, on the loop's thread; not by RunSync,
// which programs use to set themselves up. Null removes it.
// process/ uses it to say READY in workers. Set it before there are threads.
void SetLoopStartHook(void (*hook)(IOLoop&));

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_IOLOOP_IOLOOP_H_
