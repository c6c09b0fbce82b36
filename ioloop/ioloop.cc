#include "squall/ioloop/ioloop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/code_location.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/callback_inbox.h"
#include "squall/ioloop/epoll_wait_for.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/loop_record.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/timeout.h"
#include "squall/ioloop/timer_queue.h"
#include "squall/ioloop/wait_alarm.h"

namespace squall {
namespace {

std::atomic<int> live_loops{0};
std::atomic<void (*)(IOLoop&)> loop_start_hook{nullptr};

// So many timers of a turn have a look at the clock each; from then on there is one for as many.
constexpr int kTimedTimers = 64;

// Only so that leak checkers still find loops that are left alone on purpose.
[[maybe_unused]] IOLoop* volatile abandoned_loop = nullptr;

uint64_t EventData(int fd, uint32_t generation) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

int FdOf(const epoll_event& event) { return static_cast<int>(event.data.u64 & 0xffffffff); }

uint32_t GenerationOf(const epoll_event& event) { return event.data.u64 >> 32; }

// Of the events of the loop's own descriptors, which have no handler.
constexpr uint32_t kOwnGeneration = 0;
constexpr uint64_t kAlarmData = 0xffffffff;

}  // namespace

struct IOLoop::ThreadSlot {
  IOLoop* loop = nullptr;

  ~ThreadSlot() {
    if (loop == nullptr) return;
    if (loop->running_ || loop->fork_generation_ != internal::ForkGeneration()) {
      // exit() inside a callback, whose frames are still on the stack; or another process, which
      // must not take the parent's registrations out of the epoll instance that both share.
      abandoned_loop = loop;
      return;
    }
    IOLoop* const ending = loop;
    delete ending;
    loop = nullptr;
  }
};

IOLoop::ThreadSlot& IOLoop::Slot() {
  thread_local ThreadSlot slot;
  return slot;
}

IOLoop& IOLoop::Current() {
  ThreadSlot& slot = Slot();
  if (slot.loop == nullptr) {
    slot.loop = new IOLoop;
  } else {
    slot.loop->CheckProcess("Current");
  }
  return *slot.loop;
}

IOLoop* IOLoop::IfExists() {
  IOLoop* const loop = Slot().loop;
  return loop != nullptr && loop->fork_generation_ == internal::ForkGeneration() ? loop : nullptr;
}

bool IOLoop::Exists() { return live_loops.load(std::memory_order_relaxed) > 0; }

void IOLoop::ClearCurrent() {
  ThreadSlot& slot = Slot();
  if (slot.loop == nullptr) return;
  slot.loop->CheckProcess("ClearCurrent");
  CHECK(!slot.loop->running_) << "IOLoop::ClearCurrent was called inside a callback of the loop; "
                                 "call Stop() and clear it after Start() has returned";
  delete slot.loop;
  slot.loop = nullptr;
}

IOLoop::IOLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      fork_generation_((internal::WatchForks(), internal::ForkGeneration())),
      now_(Clock::RealNow()),
      alarm_(epoll_.get(), kAlarmData) {
  internal::EnsureLogging();
  PCHECK(epoll_.valid()) << "cannot make an IOLoop: epoll_create1 failed";
  const absl::Status status = Control(EPOLL_CTL_ADD, inbox_.fd(), kRead, kOwnGeneration);
  CHECK(status.ok()) << status;
  live_loops.fetch_add(1, std::memory_order_relaxed);
}

IOLoop::~IOLoop() {
  closing_ = true;
  // What is destroyed here is user code, which may come back with RemoveHandler, Cancel and the
  // like; so everything is emptied while all members are alive.
  spawned_.DestroyAll();
  callbacks_.clear();
  inbox_.TakeTo(callbacks_);
  callbacks_.clear();
  timers_.Clear();
  signals_.Clear();
  for (const std::unique_ptr<Handler>& handler : std::exchange(handlers_, {})) {
    if (handler != nullptr) handler->callback = nullptr;
  }
  live_loops.fetch_sub(1, std::memory_order_relaxed);
}

void IOLoop::CheckProcess(std::string_view function) const {
  if (fork_generation_ == internal::ForkGeneration()) [[likely]] {
    return;
  }
  LOG(FATAL) << "IOLoop::" << function << " was called in process " << ::getpid()
             << ", but this loop was made before a fork, in another process. Fork first, and call "
                "IOLoop::Current() afterwards in each child";
}

void IOLoop::CheckThread(std::string_view function) const {
  CheckProcess(function);
  CHECK(Slot().loop == this) << "IOLoop::" << function
                             << " was called in a thread that does not own the loop; only "
                                "AddCallback may be, so hand the work over with that";
}

void IOLoop::Start() {
  CheckThread("Start");
  if (!BeginRun()) return;
  if (const auto hook = loop_start_hook.load(std::memory_order_relaxed)) hook(*this);
  RunUntilStopped();
}

// False when the loop was stopped before it started.
bool IOLoop::BeginRun() {
  CHECK(!running_) << "IOLoop::Start was called inside a callback of this loop, which is running "
                      "already; loops do not nest";
  if (std::exchange(stop_requested_, false)) return false;
  running_ = true;
  now_ = turn_began_ = Clock::RealNow();
  return true;
}

void IOLoop::RunUntilStopped() {
  while (!stop_requested_) RunIteration();
  running_ = false;
  stop_requested_ = false;
}

void IOLoop::Stop() {
  CheckThread("Stop");
  stop_requested_ = true;
}

[[gnu::hot]] void IOLoop::RunIteration() {
  inbox_.TakeTo(callbacks_);
  const bool called = !callbacks_.empty();
  if (called) RunCallbacks();
  const bool timed = !timers_.NothingDue(now_) && RunTimers(called);
  if (!stop_requested_) Poll(called || timed);
}

// What it throws is logged and forgotten, as Tornado's loop does.
template <typename Callable, typename... Args>
void IOLoop::Call(internal::CallKind kind, const CodeLocation& where, Callable& callable,
                  Args... args) noexcept {
  try {
    callable(args...);
  } catch (...) {
    internal::LogCurrentException(internal::CallName(kind, where));
  }
  record_.CountCall(kind);
  if (!record_.times_calls()) return;
  // The look at the clock serves as the beginning of what comes next.
  const MonotonicTime began = std::exchange(now_, Clock::RealNow());
  record_.EndCall(kind, where, now_, now_.nanos() - began.nanos());
}

[[gnu::hot]] void IOLoop::RunCallbacks() {
  running_callbacks_.swap(callbacks_);
  for (internal::AddedCallback& entry : running_callbacks_) {
    // In a local, so that what it owns is released as soon as it has run.
    Callback callback = std::move(entry.callback);
    Call(internal::CallKind::kCallback, entry.where, callback);
  }
  running_callbacks_.clear();
}

// Whether there were any. `called`: callbacks ran since the last look at the clock.
[[gnu::hot]] bool IOLoop::RunTimers(bool called) {
  if (!timers_.CollectDue(now_)) return false;
  int count = 0;
  for (internal::DueTimer due; timers_.TakeDue(due); due.callback = nullptr) {
    // What ran before it delays a timer as well. Not for each of thousands, which are fast or else
    // late in any case.
    if (called && (count < kTimedTimers || count % kTimedTimers == 0)) LookAtClock();
    record_.AddTimerLag(now_.nanos() - due.deadline.nanos());
    Call(internal::CallKind::kTimer, due.where, due.callback);
    called = true;
    ++count;
  }
  return true;
}

// Unless the end of the last call was such a look.
void IOLoop::LookAtClock() {
  if (!record_.times_calls()) now_ = Clock::RealNow();
}

// `called`: something ran since the last look at the clock.
[[gnu::hot]] void IOLoop::Poll(bool called) {
  const bool waits = callbacks_.empty();
  int64_t timeout = 0;
  if (waits) {
    if (called) now_ = Clock::RealNow();
    timeout = alarm_.TimeoutFor(now_, timers_.NextDeadline());
    EndTurn();
    if (!inbox_.BeginWait()) timeout = 0;
    if (meter_ != nullptr) meter_->BeginWait();
  }
  const int count =
      internal::EpollWaitFor(epoll_.get(), events_, static_cast<int>(std::size(events_)), timeout);
  PCHECK(count >= 0 || errno == EINTR) << "epoll_wait";
  if (waits) inbox_.EndWait();
  now_ = Clock::RealNow();
  record_.AddIteration();
  if (!waits) EndTurn();
  if (waits && meter_ != nullptr) meter_->EndWait();
  turn_began_ = now_;
  if (count <= 0) return;
  for (int i = 0; i < count; ++i) {
    PrefetchBehind(i, count);
    Dispatch(events_[i]);
  }
  now_ = Clock::RealNow();
}

[[gnu::hot]] void IOLoop::EndTurn() {
  const int64_t nanos = now_.nanos() - turn_began_.nanos();
  record_.EndTurn(nanos);
  if (meter_ != nullptr) meter_->EndTurn(nanos);
}

// Null when its handler is gone. It may be another one, of another generation.
inline IOLoop::Handler* IOLoop::HandlerOf(const epoll_event& event) const {
  const size_t fd = FdOf(event);
  return fd < handlers_.size() ? handlers_[fd].get() : nullptr;
}

// With thousands of connections nothing of a handler is in the cache: has the memory send what the
// events behind number `i` will look at, while that one is dealt with. Each step looks at what the
// one before has sent for.
inline void IOLoop::PrefetchBehind(int i, int count) const {
  if (i + 1 >= count) return;
  if (const Handler* const handler = HandlerOf(events_[i + 1])) {
    // A number, for it may be no address at all.
    const uintptr_t owner = reinterpret_cast<uintptr_t>(handler->owner);
    __builtin_prefetch(reinterpret_cast<const void*>(owner), 1);
    __builtin_prefetch(reinterpret_cast<const void*>(owner + 64), 1);
  }
  if (i + 2 < count) __builtin_prefetch(HandlerOf(events_[i + 2]));
  if (i + 3 < count) {
    const size_t fd = FdOf(events_[i + 3]);
    if (fd < handlers_.size()) __builtin_prefetch(&handlers_[fd]);
  }
}

[[gnu::hot]] void IOLoop::Dispatch(const epoll_event& event) {
  const uint32_t generation = GenerationOf(event);
  if (generation == kOwnGeneration) {
    if (event.data.u64 == kAlarmData) return alarm_.OnRung();
    return inbox_.OnReadable();
  }
  Handler* const handler = HandlerOf(event);
  if (handler == nullptr || handler->generation != generation) return;
  const uint32_t events = event.events & (handler->events | kError);
  if (events == 0) return;
  executing_ = handler;
  Call(internal::CallKind::kHandler, handler->where, *handler, events);
  executing_ = nullptr;
  if (removed_while_executing_ != nullptr) Recycle(std::move(removed_while_executing_));
}

void IOLoop::Recycle(std::unique_ptr<Handler> handler) {
  constexpr size_t kMaxFreeHandlers = 1024;
  handler->callback = nullptr;
  if (free_handlers_.size() < kMaxFreeHandlers) free_handlers_.push_back(std::move(handler));
}

absl::Status IOLoop::Control(int operation, int fd, uint32_t events, uint32_t generation) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = EventData(fd, generation);
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) != 0) {
    return StatusFromErrno(errno, absl::StrCat("epoll_ctl of descriptor ", fd));
  }
  return absl::OkStatus();
}

absl::Status IOLoop::AddHandler(int fd, uint32_t events, FdCallback callback, CodeLocation where) {
  absl::StatusOr<Handler*> handler = MakeHandler(fd, events, where);
  if (!handler.ok()) return handler.status();
  FdCallback& kept = (*handler)->callback;
  kept = std::move(callback);
  (*handler)->function = [](void* object, uint32_t ready) {
    (*static_cast<FdCallback*>(object))(ready);
  };
  (*handler)->object = &kept;
  // The first word of a callable is mostly a pointer to what it belongs to.
  static_assert(sizeof kept >= sizeof(void*));
  std::memcpy(&(*handler)->owner, static_cast<const void*>(&kept), sizeof(void*));
  return absl::OkStatus();
}

absl::Status IOLoop::AddHandler(int fd, uint32_t events, FdFunction function, void* object,
                                CodeLocation where) {
  absl::StatusOr<Handler*> handler = MakeHandler(fd, events, where);
  if (!handler.ok()) return handler.status();
  (*handler)->function = function;
  (*handler)->object = object;
  (*handler)->owner = object;
  return absl::OkStatus();
}

// One that calls nothing yet.
absl::StatusOr<IOLoop::Handler*> IOLoop::MakeHandler(int fd, uint32_t events, CodeLocation where) {
  CheckThread("AddHandler");
  if (closing_) return absl::FailedPreconditionError("AddHandler: the loop is being destroyed");
  if (fd < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("AddHandler: ", fd, " is no descriptor; it must not be negative"));
  }
  const size_t index = fd;
  if (index < handlers_.size() && handlers_[index] != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("AddHandler: descriptor ", fd,
                     " has a handler; use UpdateHandler, or RemoveHandler before closing it"));
  }
  const uint32_t generation = next_generation_;
  if (absl::Status status = Control(EPOLL_CTL_ADD, fd, events, generation); !status.ok()) {
    return status;
  }
  if (++next_generation_ == kOwnGeneration) ++next_generation_;
  if (index >= handlers_.size()) handlers_.resize(std::max(index + 1, handlers_.size() * 2));
  std::unique_ptr<Handler> handler;
  if (free_handlers_.empty()) {
    handler = std::make_unique<Handler>();
  } else {
    handler = std::move(free_handlers_.back());
    free_handlers_.pop_back();
  }
  handler->where = where;
  handler->generation = generation;
  handler->events = events;
  handlers_[index] = std::move(handler);
  return handlers_[index].get();
}

absl::Status IOLoop::UpdateHandler(int fd, uint32_t events) {
  CheckThread("UpdateHandler");
  Handler* const handler =
      fd >= 0 && static_cast<size_t>(fd) < handlers_.size() ? handlers_[fd].get() : nullptr;
  if (handler == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("UpdateHandler: descriptor ", fd, " has no handler; call AddHandler first"));
  }
  if (handler->events == events) return absl::OkStatus();
  if (((handler->events | events) & EPOLLEXCLUSIVE) != 0) {
    // The kernel refuses to modify to or from exclusive, see epoll_ctl(2).
    if (absl::Status status = Control(EPOLL_CTL_DEL, fd, 0, 0); !status.ok()) return status;
    if (absl::Status status = Control(EPOLL_CTL_ADD, fd, events, handler->generation);
        !status.ok()) {
      // As before, as far as possible.
      Control(EPOLL_CTL_ADD, fd, handler->events, handler->generation).IgnoreError();
      return status;
    }
  } else if (absl::Status status = Control(EPOLL_CTL_MOD, fd, events, handler->generation);
             !status.ok()) {
    return status;
  }
  handler->events = events;
  return absl::OkStatus();
}

void IOLoop::RemoveHandler(int fd) {
  if (fork_generation_ != internal::ForkGeneration()) return;
  CheckThread("RemoveHandler");
  if (fd < 0 || static_cast<size_t>(fd) >= handlers_.size() || handlers_[fd] == nullptr) return;
  std::unique_ptr<Handler> handler = std::move(handlers_[fd]);
  if (absl::Status removed = Control(EPOLL_CTL_DEL, fd, 0, 0); !removed.ok()) {
    // epoll goes on to report what it still knows of a closed descriptor, and nobody can tell it to
    // stop.
    LOG(ERROR) << "RemoveHandler: descriptor " << fd << ", whose handler was added at "
               << handler->where.ToString() << ", was closed before: " << removed.message()
               << ". If a copy of it lives (dup, fork), the loop spins until that is closed, too; "
               << "remove the handler first";
  }
  if (handler.get() == executing_) {
    removed_while_executing_ = std::move(handler);
  } else {
    Recycle(std::move(handler));
  }
}

void IOLoop::AddCallback(Callback callback, CodeLocation where) {
  CheckProcess("AddCallback");
  if (Slot().loop == this) {
    if (!closing_) callbacks_.push_back({std::move(callback), where});
    return;
  }
  inbox_.Put(std::move(callback), where);
}

Timeout IOLoop::CallLater(absl::Duration delay, Callback callback, CodeLocation where) {
  CheckThread("CallLater");
  if (closing_) return Timeout();
  return timers_.Add(Clock::RealNow() + delay, std::move(callback), where);
}

Timeout IOLoop::CallAt(MonotonicTime when, Callback callback, CodeLocation where) {
  CheckThread("CallAt");
  return closing_ ? Timeout() : timers_.Add(when, std::move(callback), where);
}

absl::Status IOLoop::AddSignalHandler(int signo, SignalCallback callback) {
  CheckThread("AddSignalHandler");
  if (absl::Status status = signals_.Add(signo, std::move(callback)); !status.ok()) return status;
  if (std::exchange(watches_signals_, true)) return absl::OkStatus();
  absl::Status status =
      AddHandler(signals_.fd(), kRead, [this](uint32_t) { signals_.HandleReadable(); });
  if (!status.ok()) {
    watches_signals_ = false;
    signals_.Remove(signo);
  }
  return status;
}

void IOLoop::RemoveSignalHandler(int signo) {
  if (fork_generation_ != internal::ForkGeneration()) return;
  CheckThread("RemoveSignalHandler");
  signals_.Remove(signo);
}

void IOLoop::Spawn(Task<> task, CodeLocation where) {
  CheckThread("Spawn");
  if (!closing_) spawned_.Start(std::move(task), where);
}

Task<> IOLoop::StoreNothing(Task<> task, SyncRun* run) {
  try {
    co_await std::move(task);
  } catch (...) {
    run->exception = std::current_exception();
  }
  run->Finish();
}

void IOLoop::SyncRun::Finish() {
  done = true;
  if (looping) loop->Stop();
}

absl::Status IOLoop::RunUntilDone(SyncRun& run, absl::Duration timeout) {
  CheckThread("RunSync");
  if (!run.done) {
    bool timed_out = false;
    Timeout timer;
    if (timeout < absl::InfiniteDuration()) {
      timer = CallLater(timeout, [this, &timed_out] {
        timed_out = true;
        Stop();
      });
    }
    run.looping = true;
    if (BeginRun()) RunUntilStopped();
    run.looping = false;
    if (!run.done && timed_out) {
      return absl::DeadlineExceededError(
          absl::StrCat("RunSync: the task was not done after ", absl::FormatDuration(timeout)));
    }
    if (!run.done) {
      return absl::AbortedError("RunSync: the loop was stopped before the task was done");
    }
  }
  if (run.exception) std::rethrow_exception(run.exception);
  return absl::OkStatus();
}

namespace internal {

void SetLoopStartHook(void (*hook)(IOLoop&)) {
  loop_start_hook.store(hook, std::memory_order_relaxed);
}

}  // namespace internal
}  // namespace squall
