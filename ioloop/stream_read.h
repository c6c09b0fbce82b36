// Internal to ioloop: what the reads of an IOStream return.
#ifndef SQUALL_IOLOOP_STREAM_READ_H_
#define SQUALL_IOLOOP_STREAM_READ_H_

#include <coroutine>
#include <utility>

#include "absl/status/statusor.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

class StreamState;

// What awaiting a read does: whether it is done, or cannot be done; and, false when it has to go on at
// once, the wait.
bool BeginStreamRead(StreamState& state, ReadRequest& request);
bool SuspendStreamRead(StreamState& state, std::coroutine_handle<> reader);

// A lazy read, awaited like a Task, but without a coroutine: it stands in the frame of the one that
// awaits it. Becomes a Task where one is wanted.
template <typename Request>
class [[nodiscard]] StreamRead {
 public:
  using value_type = absl::StatusOr<typename Request::Result>;

  class Awaiter {
   public:
    explicit Awaiter(StreamRead* read) : read_(read) {}
    bool await_ready() const { return BeginStreamRead(*read_->state_, read_->request_); }
    bool await_suspend(std::coroutine_handle<> reader) const {
      return SuspendStreamRead(*read_->state_, reader);
    }
    value_type await_resume() const { return read_->Finish(); }

   private:
    StreamRead* const read_;
  };

  // Takes over one ownership of `state`.
  StreamRead(StreamState* state, Request request) : state_(state), request_(std::move(request)) {}
  // Only before it is awaited.
  StreamRead(StreamRead&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), request_(std::move(other.request_)) {}
  StreamRead& operator=(StreamRead&&) = delete;
  // A read that waits is given up.
  ~StreamRead() {
    if (state_ != nullptr) GiveUp();
  }

  // co_await stream.ReadBytes(4), or co_await std::move(read). At most once.
  Awaiter operator co_await() && { return Awaiter(this); }
  operator Task<value_type>() && { return Run(std::move(*this)); }

 private:
  static Task<value_type> Run(StreamRead read) {
    value_type result = co_await std::move(read);
    co_return result;
  }
  value_type Finish();
  void GiveUp();

  StreamState* state_;  // Null when it is done.
  Request request_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_READ_H_
