// Internal to ioloop: the state behind an IOStream, shared with the coroutines that wait on it.
#ifndef SQUALL_IOLOOP_STREAM_STATE_H_
#define SQUALL_IOLOOP_STREAM_STATE_H_

#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/ioloop/flush_waiters.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/read_buffer.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/socket_receive.h"
#include "squall/ioloop/socket_send.h"
#include "squall/ioloop/stream_read.h"
#include "squall/ioloop/stream_scratch.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/write_queue.h"

namespace squall::internal {

// Reading is in stream_reading.cc, writing in stream_writing.cc, the rest in stream_state.cc. Small,
// for idle connections are many: what only some streams have is behind a pointer. Two lines of the
// cache, with the count of owners.
class alignas(64) StreamState {
 public:
  StreamState(std::unique_ptr<Transport> transport, const IOStreamOptions& options);
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState();

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
  template <typename Request>
  friend class StreamRead;
  friend bool BeginStreamRead(StreamState& state, ReadRequest& request);
  friend bool SuspendStreamRead(StreamState& state, std::coroutine_handle<> reader);
  class BorrowedOctets;
  enum class WriteSide : uint8_t { kOpen, kEnding, kEnded };

  static absl::Status PeerClosed() { return absl::UnavailableError("the peer closed the stream"); }

  // Whether CheckRead() would allow it, as far as that can be said without asking.
  bool SurelyMayRead(const ReadRequest& request) const {
    return !reading() && request.needs() - 1 < max_buffer_size_;
  }
  absl::Status CheckRead(const ReadRequest& request) const;
  bool MayRead(const ReadRequest& request) const;
  bool GoOnAtOnce();
  [[gnu::hot]] bool Advance();
  [[gnu::hot]] bool AdvanceByMore();
  [[gnu::hot]] bool Advance(Arrival arrival);
  [[gnu::hot]] Arrival Receive();
  Arrival ReceiveMore();
  // Where one recv may put octets that go behind `buffered` others; empty when the buffer is full.
  std::span<char> ScratchFor(size_t buffered) const {
    if (buffered >= max_buffer_size_) return {};
    if (stream_scratch.keeper != nullptr) stream_scratch.keeper->LeaveScratch();
    if (stream_scratch.memory == nullptr) AllocateStreamScratch();
    return {stream_scratch.memory,
            std::min<size_t>(max_buffer_size_ - buffered, read_chunk_size_less_one_ + 1)};
  }
  ssize_t ReadNow(std::span<char> room) {
    if (plain_fd_ >= 0) return ReceiveInto(plain_fd_, room);
    return transport_->Read(room.data(), room.size());
  }
  void ReceiveEnd(ssize_t result);
  bool ProbeEnd();
  void FillAll();
  std::string_view Unread() const {
    if (fresh_ > 0) return {stream_scratch.memory + fresh_begin_, fresh_};
    return in_.view();
  }
  // Not counting what stands in the memory of a request.
  bool has_unread() const { return fresh_ > 0 || !in_.empty(); }
  void KeepFresh();
  void StayInScratch() { stream_scratch.keeper = this; }
  void LeaveScratch();
  // Forgets the first `n` of Unread().
  void DropUnread(size_t n) {
    if (fresh_ == 0) return in_.Drop(n);
    peeked_ = false;
    fresh_ -= static_cast<uint32_t>(n);
    fresh_begin_ = static_cast<uint16_t>(fresh_begin_ + n);
    if (fresh_ > 0) {
      StayInScratch();
    } else if (stream_scratch.keeper == this) {
      stream_scratch.keeper = nullptr;
    }
  }
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
    if (ends && !has_unread()) AfterLastOctet();
  }
  void AfterLastOctet();
  void ReportEof();
  void RefuseConsume(size_t n) const;

  bool CheckWrite(size_t size) const;
  // Whether CheckWrite() allows it, with nothing queued and if there are any octets.
  bool SurelyMayWrite(size_t size) const {
    return !closed() && write_side_ == WriteSide::kOpen && size - 1 < max_write_buffer_size_;
  }
  absl::Status WriteRefusal(size_t size) const;
  ssize_t WriteNow(const iovec* buffers, int count) {
    if (plain_fd_ >= 0) return SendBuffers(plain_fd_, buffers, count);
    return transport_->Write(buffers, count);
  }
  Task<absl::Status> WroteAll();
  template <typename Part, typename Add, typename Wait>
  Task<absl::Status> Send(std::span<Part> parts, Add add, Wait wait);
  template <typename Part, typename Add, typename Wait>
  Task<absl::Status> SendParts(std::span<Part> parts, Add add, Wait wait);
  template <typename Part, typename Add, typename Wait>
  Task<absl::Status> Queue(std::span<Part> parts, ssize_t taken, Add add, Wait wait);
  static Task<absl::Status> WaitForTurn(LocalPtr<StreamState> state);
  static Task<absl::Status> WaitFlushed(LocalPtr<StreamState> state, uint64_t target);
  static Task<absl::Status> WaitFlushedBorrowed(BorrowedOctets octets);
  static Task<absl::Status> WaitWriteEnded(LocalPtr<StreamState> state);
  void EndWriting();
  absl::Status BreakWriting(std::string_view doing);
  void Flush();
  void ResumeWriters();

  // The transport's, without the call where they never change.
  bool plain() const { return plain_fd_ >= 0; }
  uint32_t ReadEvents() const { return plain() ? EPOLLIN : transport_->read_events(); }
  uint32_t WriteEvents() const { return plain() ? EPOLLOUT : transport_->write_events(); }
  bool HasBufferedInput() const { return !plain() && transport_->HasBufferedInput(); }

  [[gnu::hot]] static void OnEventsOf(void* state, uint32_t events);
  void OnEvents(uint32_t events);
  void OnHangUp(uint32_t events);
  // Whether epoll knows already what a reader waits for, and is to tell of nothing else: as between
  // two messages.
  bool WaitsForInputAlone() const {
    return plain() && registered_events_ == EPOLLIN && out_.empty() &&
           write_side_ != WriteSide::kEnding && close_callback_ == nullptr;
  }
  void UpdateInterest(bool drop_read = false);
  void Unregister();
  void PostReader();
  [[gnu::hot]] void GoOnReading();
  void ResumeReader() { std::exchange(reader_, nullptr).resume(); }
  void ScheduleCloseNotice();
  void NotifyClosed();

  // What each message uses comes first.
  std::unique_ptr<Transport> transport_;  // Null when closed.
  ReadRequest* request_ = nullptr;        // The read in progress, and
  std::coroutine_handle<> reader_;        // its coroutine when it waits for the socket.
  ReadBuffer in_;
  WriteQueue out_;
  std::unique_ptr<absl::AnyInvocable<void()>> close_callback_;
  // The transport's, if that is a plain one, else -1.
  const int plain_fd_;
  // Octets of this thread's scratch memory that come next, while in_ is empty. Beyond the read that
  // received them only as long as stream_scratch.keeper is this stream.
  uint32_t fresh_ = 0;
  uint16_t fresh_begin_ = 0;
  const uint16_t read_chunk_size_less_one_;
  // What epoll knows of the descriptor, if registered_.
  uint16_t registered_events_ = 0;
  uint8_t receives_ = 0;  // Calls of recv since the loop last had its turn.
  uint8_t writes_ = 0;    // Writes that had not to wait for it, since then.
  const size_t max_buffer_size_;
  const size_t max_write_buffer_size_;
  FlushWaiters writers_;
  IOLoop* const loop_;
  absl::Status close_status_;
  // Last, so that the count of owners shares their word.
  bool keeps_writing_ : 1;   // OnPeerEof::kKeepWriting
  bool peeked_ : 1 = false;  // A view of the fresh octets is out.
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

template <typename Request>
[[gnu::hot]] typename StreamRead<Request>::value_type StreamRead<Request>::Finish() {
  const LocalPtr<StreamState> state = LocalPtr<StreamState>::Adopt(std::exchange(state_, nullptr));
  // Refused, by what is still so.
  if (state->request_ != &request_) return state->CheckRead(request_);
  state->EndRead();
  switch (request_.answer().kind) {
    case ReadRequest::Answer::Kind::kTake:
      return state->Deliver(request_);
    case ReadRequest::Answer::Kind::kNever:
      return request_.Failure();
    case ReadRequest::Answer::Kind::kMore:
      break;
  }
  return state->FailRead();
}

template <typename Request>
void StreamRead<Request>::GiveUp() {
  const LocalPtr<StreamState> state = LocalPtr<StreamState>::Adopt(std::exchange(state_, nullptr));
  if (state->request_ == &request_) state->EndRead();
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_STREAM_STATE_H_
