// Internal to ioloop: the state behind an IOStream, shared with the coroutines that wait on it.
#ifndef SQUALL_IOLOOP_STREAM_STATE_H_
#define SQUALL_IOLOOP_STREAM_STATE_H_

#include <sys/epoll.h>
#include <sys/types.h>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/flush_waiters.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/read_buffer.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/stream_scratch.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/write_queue.h"

namespace squall::internal {

// Reading is in stream_reading.cc, writing in stream_writing.cc, the rest in stream_state.cc. Small,
// for idle connections are many: what only some streams have is behind a pointer.
class StreamState {
 public:
  StreamState(std::unique_ptr<Transport> transport, const IOStreamOptions& options);
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState();

  template <typename Request>
  [[gnu::hot]] static Task<absl::StatusOr<typename Request::Result>> Read(
      LocalPtr<StreamState> state, Request request);
  [[gnu::hot]] void Consume(size_t n);

  [[gnu::hot]] Task<absl::Status> Writev(std::span<std::string> parts);
  [[gnu::hot]] Task<absl::Status> WriteBorrowed(std::span<const std::string_view> parts);
  Task<absl::Status> CloseWrite();

  void SetCloseCallback(absl::AnyInvocable<void()> callback);
  absl::StatusOr<UniqueFd> Detach();
  void Close(absl::Status why);
  // The IOStream is gone.
  void Abandon();

  bool closed() const { return transport_ == nullptr; }
  const absl::Status& close_status() const { return close_status_; }
  bool reading() const { return request_ != nullptr; }
  bool writing() const { return !out_.empty(); }
  int fd() const { return closed() ? -1 : transport_->fd(); }
  const Transport* transport() const { return transport_.get(); }

 private:
  // Suspends a read until it is done or cannot be done any more.
  class ReadAwaiter;
  class BorrowedOctets;
  enum class WriteSide : uint8_t { kOpen, kEnding, kEnded };

  static absl::Status PeerClosed() { return absl::UnavailableError("the peer closed the stream"); }

  // Whether CheckRead() would allow it, as far as that can be said without asking.
  bool SurelyMayRead(const ReadRequest& request) const {
    return !reading() && request.needs() - 1 < max_buffer_size_;
  }
  absl::Status CheckRead(const ReadRequest& request) const;
  [[gnu::hot]] bool Begin();
  [[gnu::hot]] bool Advance();
  [[gnu::hot]] bool AdvanceByMore();
  [[gnu::hot]] bool Advance(Arrival arrival);
  [[gnu::hot]] Arrival Receive();
  // Where one recv may put octets that go behind `buffered` others; empty when the buffer is full.
  std::span<char> ScratchFor(size_t buffered) const {
    if (buffered >= max_buffer_size_) return {};
    return {StreamScratch(), std::min<size_t>(max_buffer_size_ - buffered, read_chunk_size_)};
  }
  void ReceiveEnd(ssize_t result);
  bool ProbeEnd();
  void FillAll();
  std::string_view Unread() const {
    return fresh_ > 0 ? std::string_view(StreamScratch(), fresh_) : in_.view();
  }
  void KeepFresh();
  void GiveBack();
  [[gnu::hot]] void EndRead();
  [[gnu::hot]] std::string TakeString(size_t n);
  std::string Deliver(const BytesRequest& request) { return TakeString(request.answer().size); }
  std::string Deliver(const UntilRequest& request) { return TakeString(request.answer().size); }
  std::string Deliver(const MatchRequest& request);
  std::string Deliver(const UntilCloseRequest& request);
  [[gnu::hot]] std::string_view Deliver(const PeekRequest& request);
  [[gnu::hot]] size_t Deliver(const IntoRequest& request);
  absl::Status FailRead();
  absl::Status EndOfReading() const;
  void AfterRead() {
    const bool ends = eof_ || hung_up_ || peer_close_muted_;
    if (ends && in_.empty()) AfterLastOctet();
  }
  void AfterLastOctet();
  void ReportEof();

  [[gnu::hot]] bool CheckWrite(size_t size) const;
  absl::Status WriteRefusal(size_t size) const;
  template <typename Part, typename Add, typename Wait>
  [[gnu::hot]] Task<absl::Status> Send(std::span<Part> parts, Add add, Wait wait);
  static Task<absl::Status> WaitForTurn(LocalPtr<StreamState> state);
  static Task<absl::Status> WaitFlushed(LocalPtr<StreamState> state, uint64_t target);
  static Task<absl::Status> WaitFlushedBorrowed(BorrowedOctets octets);
  static Task<absl::Status> WaitWriteEnded(LocalPtr<StreamState> state);
  void EndWriting();
  absl::Status BreakWriting(std::string_view doing);
  void Flush();
  void ResumeWriters();

  // The transport's, without the call where they never change.
  uint32_t ReadEvents() const { return plain_ ? EPOLLIN : transport_->read_events(); }
  uint32_t WriteEvents() const { return plain_ ? EPOLLOUT : transport_->write_events(); }
  bool HasBufferedInput() const { return !plain_ && transport_->HasBufferedInput(); }

  [[gnu::hot]] void OnEvents(uint32_t events);
  void OnHangUp(uint32_t events);
  // Whether epoll knows already what a reader waits for, and is to tell of nothing else: as between
  // two messages.
  bool WaitsForInputAlone() const {
    return plain_ && registered_events_ == EPOLLIN && out_.empty() &&
           write_side_ != WriteSide::kEnding && close_callback_ == nullptr;
  }
  [[gnu::hot]] void UpdateInterest(bool drop_read = false);
  void Unregister();
  void PostReader();
  [[gnu::hot]] void GoOnReading();
  [[gnu::hot]] void ResumeReader();
  void ScheduleCloseNotice();
  void NotifyClosed();

  IOLoop* const loop_;
  std::unique_ptr<Transport> transport_;  // Null when closed.
  absl::Status close_status_;
  std::unique_ptr<absl::AnyInvocable<void()>> close_callback_;

  const size_t max_buffer_size_;
  const size_t max_write_buffer_size_;
  ReadBuffer in_;
  ReadRequest* request_ = nullptr;  // The read in progress, and
  std::coroutine_handle<> reader_;  // its coroutine when it waits for the socket.

  WriteQueue out_;
  FlushWaiters writers_;

  // The small ones together, and last, so that they share their words with the count of owners.
  const uint32_t read_chunk_size_;
  // Octets at the front of this thread's scratch memory that come next, while in_ is empty. Only
  // from a recv to the end of the read or of Advance().
  uint32_t fresh_ = 0;
  // What epoll knows of the descriptor, if registered_.
  uint16_t registered_events_ = 0;
  uint8_t receives_ : 5 = 0;  // Calls of recv since the loop last had its turn.
  uint8_t writes_ : 5 = 0;    // Writes that had not to wait for it, since then.
  bool keeps_writing_ : 1;    // OnPeerEof::kKeepWriting
  bool plain_ : 1;            // The transport is a plain one.
  bool registered_ : 1 = false;
  bool reader_posted_ : 1 = false;  // The reader goes on in the loop's next turn.
  WriteSide write_side_ : 2 = WriteSide::kOpen;
  bool drained_ : 1 = false;       // recv would say EAGAIN, as far as is known.
  bool eof_ : 1 = false;           // The peer's end was received,
  bool eof_reported_ : 1 = false;  // and the user has come to it.
  // Both directions are dead. epoll would report that for ever, so the descriptor is out of it for
  // good.
  bool hung_up_ : 1 = false;
  // The peer's end is known but lies behind more octets than the buffer takes.
  bool peer_close_muted_ : 1 = false;
};

class StreamState::ReadAwaiter {
 public:
  ReadAwaiter(StreamState* state, ReadRequest* request) : state_(state) {
    state_->request_ = request;
  }
  ReadAwaiter(const ReadAwaiter&) = delete;
  ReadAwaiter& operator=(const ReadAwaiter&) = delete;
  ~ReadAwaiter() { state_->EndRead(); }

  bool await_ready() const { return state_->Begin(); }
  bool await_suspend(std::coroutine_handle<> reader) const {
    state_->reader_ = reader;
    // Fails by closing, and then the reader has to go on at once.
    if (!state_->WaitsForInputAlone()) state_->UpdateInterest();
    if (!state_->closed()) {
      state_->in_.Shrink();
      return true;
    }
    state_->reader_ = nullptr;
    return !state_->Advance();
  }
  void await_resume() const noexcept {}

 private:
  StreamState* const state_;
};

template <typename Request>
Task<absl::StatusOr<typename Request::Result>> StreamState::Read(LocalPtr<StreamState> state,
                                                                 Request request) {
  if (!state->SurelyMayRead(request)) {
    if (absl::Status refused = state->CheckRead(request); !refused.ok()) co_return refused;
  }
  co_await ReadAwaiter(&*state, &request);
  switch (request.answer().kind) {
    case ReadRequest::Answer::Kind::kTake:
      co_return state->Deliver(request);
    case ReadRequest::Answer::Kind::kNever:
      co_return request.Failure();
    case ReadRequest::Answer::Kind::kMore:
      co_return state->FailRead();
  }
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_STATE_H_
