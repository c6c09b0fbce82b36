// Where coroutines wait until a connection's write buffer has room: the awaitable behind
// HttpConnection::Drained(). Shared by the connection and the waiting tasks, either may go first.
//
//   auto gate = std::make_shared<squall::internal::WriteGate>();
//   squall::Task<absl::Status> wait = squall::internal::WriteGate::Wait(gate);
//   ...
//   gate->Open(loop);            // resumes all waiting tasks with OK, in the loop's next turn
//   gate->Break(loop, status);   // resumes them with an error, as all later ones
//
// Internal to httpserver. The loop's thread only.
#ifndef SQUALL_HTTPSERVER_WRITE_GATE_H_
#define SQUALL_HTTPSERVER_WRITE_GATE_H_

#include <coroutine>
#include <list>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

class WriteGate : public std::enable_shared_from_this<WriteGate> {
 public:
  // Completes at once while the gate is broken, or open; but then every so many times it waits for the
  // loop's next turn, so that a client that takes all at once does not keep the others from theirs.
  static Task<absl::Status> Wait(std::shared_ptr<WriteGate> gate) {
    if (gate->status_.ok() && gate->Stops()) co_await Awaiter(*gate);
    co_return gate->status_;
  }

  void Close() { open_ = false; }

  void Open(IOLoop& loop) {
    open_ = true;
    Release(loop);
  }

  void Break(IOLoop& loop, absl::Status why) {
    if (status_.ok()) status_ = std::move(why);
    Release(loop);
  }

 private:
  // Takes itself off the list when its coroutine is destroyed while it waits.
  struct Awaiter {
    explicit Awaiter(WriteGate& gate) : gate(gate) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter() { gate.waiting_.remove(this); }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiting = handle;
      gate.waiting_.push_back(this);
      if (gate.open_) gate.Release(IOLoop::Current());
    }
    void await_resume() const {}

    WriteGate& gate;
    std::coroutine_handle<> waiting;
    bool released = false;
  };

  static constexpr int kMaxPassesInARow = 16;

  bool Stops() {
    if (open_ && ++passes_ < kMaxPassesInARow) return false;
    passes_ = 0;
    return true;
  }

  // In the next turn, because the connection is in the middle of something.
  void Release(IOLoop& loop) {
    if (waiting_.empty()) return;
    for (Awaiter* awaiter : waiting_) awaiter->released = true;
    loop.AddCallback([gate = shared_from_this()] { gate->ResumeReleased(); });
  }

  void ResumeReleased() {
    while (!waiting_.empty() && waiting_.front()->released) {
      Awaiter* const awaiter = waiting_.front();
      waiting_.pop_front();
      awaiter->waiting.resume();
    }
  }

  bool open_ = true;
  int passes_ = 0;
  absl::Status status_;
  std::list<Awaiter*> waiting_;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_WRITE_GATE_H_
