#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/ioloop/read_request.h"
#include "squall/ioloop/stream_scratch.h"
#include "squall/ioloop/stream_state.h"
#include "squall/ioloop/transport.h"

namespace squall::internal {
namespace {

// Then the reader waits for its turn in the loop, so that a fast peer does not keep the others from
// theirs.
constexpr int kMaxReceivesInARow = 16;

}  // namespace

absl::Status StreamState::CheckRead(const ReadRequest& request) const {
  if (reading()) {
    return absl::FailedPreconditionError(
        "Already reading: a stream serves one read at a time; await the other one first");
  }
  return request.Check(max_buffer_size_);
}

[[gnu::noinline]] bool StreamState::MayRead(const ReadRequest& request) const {
  return CheckRead(request).ok();
}

[[gnu::hot]] bool BeginStreamRead(StreamState& state, ReadRequest& request) {
  if (!state.SurelyMayRead(request) && !state.MayRead(request)) return true;
  state.request_ = &request;
  // All was read before, as usual between two messages.
  const bool waits = state.drained_ && !state.has_unread() && request.needs() > 0;
  if (waits && !state.closed() && !state.eof_ && !state.hung_up_ && !state.HasBufferedInput()) {
    return false;
  }
  return state.Advance();
}

[[gnu::hot]] bool SuspendStreamRead(StreamState& state, std::coroutine_handle<> reader) {
  state.reader_ = reader;
  if (!state.WaitsForInputAlone()) {
    state.UpdateInterest();
    // It fails by closing, and then there is nothing to wait for.
    if (state.closed()) return !state.GoOnAtOnce();
  }
  state.in_.Shrink();
  return true;
}

bool StreamState::GoOnAtOnce() {
  reader_ = nullptr;
  return Advance();
}

// Goes on with it.
bool StreamState::Advance() { return Advance(Arrival::kSome); }

// The same after a wait: the read has looked at all that there was.
bool StreamState::AdvanceByMore() {
  if (closed() || eof_) return Advance(Arrival::kSome);
  const Arrival arrival = ReceiveMore();
  // As most messages: the end of the stream, if it is known by now, makes no difference.
  if (request_->DoneByCount(Unread().size())) return true;
  return Advance(arrival);
}

bool StreamState::Advance(Arrival arrival) {
  using Kind = ReadRequest::Answer::Kind;
  while (true) {
    const std::string_view octets = Unread();
    const bool ended = closed() || eof_;
    if (ended) {
      // A stream that broke has no end, it only stops.
      const bool ends_here = eof_ && !(eof_reported_ && octets.empty());
      arrival = ends_here ? Arrival::kEnd : Arrival::kAll;
    }
    const ReadRequest::Answer answer = request_->Look(octets, arrival);
    request_->Settle(answer);
    if (answer.kind == Kind::kTake) return true;
    KeepFresh();
    if (answer.kind == Kind::kNever) {
      Close(request_->Failure());
      return true;
    }
    if (ended) return true;
    if (arrival == Arrival::kSome) {
      const uint8_t receives = receives_;
      arrival = Receive();
      // No read is satisfied by nothing.
      if (octets.empty() && receives_ == receives && !closed()) return false;
    } else if (!ProbeEnd()) {
      return false;
    }
  }
}

// Calls recv once, unless that is known to be useless or it is the others' turn. kAll: the next one
// would be.
Arrival StreamState::Receive() {
  // By what looked at the octets.
  if (closed()) return Arrival::kAll;
  if (!hung_up_) {
    if (receives_ >= kMaxReceivesInARow) return Arrival::kAll;
    if (drained_ && !HasBufferedInput()) return Arrival::kAll;
  }
  return ReceiveMore();
}

// Where it may be of use.
[[gnu::always_inline]] inline Arrival StreamState::ReceiveMore() {
  std::span<char> room = request_->Room(in_.size());
  const bool into_buffer = room.empty();
  if (into_buffer) room = ScratchFor(in_.size());
  if (room.empty()) return Arrival::kAll;
  ++receives_;
  const ssize_t result = ReadNow(room);
  if (result <= 0) {
    ReceiveEnd(result);
    return Arrival::kAll;
  }
  const size_t size = result;
  drained_ = size < room.size() && (plain() || transport_->short_read_drains());
  if (!into_buffer) {
    request_->Received(size);
  } else if (in_.empty()) {
    fresh_ = size;
    fresh_begin_ = 0;
  } else {
    in_.Append({room.data(), size});
  }
  return drained_ && !hung_up_ ? Arrival::kAll : Arrival::kSome;
}

void StreamState::ReceiveEnd(ssize_t result) {
  if (result == 0) {
    eof_ = true;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    drained_ = true;
    if (hung_up_) eof_ = true;
  } else {
    Close(transport_->ErrorStatus(errno, "reading from the stream"));
  }
}

// With a full buffer that does not do: whether the peer ended exactly where the buffer did, or else
// the read cannot be done. False: neither is known.
bool StreamState::ProbeEnd() {
  if (closed()) return true;
  if (in_.size() < max_buffer_size_ || !request_->Room(in_.size()).empty()) return false;
  if (!hung_up_ && drained_ && !HasBufferedInput()) return false;
  // If there is one it is lost, but so is the stream.
  char octet;
  const ssize_t result = ReadNow({&octet, 1});
  if (result > 0) {
    Close(absl::ResourceExhaustedError(
        absl::StrCat("the read needs more than max_buffer_size ", max_buffer_size_, " octets")));
  } else {
    ReceiveEnd(result);
  }
  return closed() || eof_;
}

// Receives what the buffer has room for. A view of what is there stays valid.
void StreamState::FillAll() {
  GiveBack();
  while (!closed() && !eof_) {
    const std::span<char> room = ScratchFor(in_.size());
    if (room.empty()) return;
    const ssize_t result = ReadNow(room);
    if (result <= 0) return ReceiveEnd(result);
    in_.Append({room.data(), static_cast<size_t>(result)});
  }
}

// For a read that needs more than the fresh octets, which views of theirs do not outlive.
void StreamState::KeepFresh() {
  if (fresh_ == 0) return;
  peeked_ = false;
  LeaveScratch();
}

// Somebody needs the place of the fresh octets. What a view points to stays where it is.
void StreamState::LeaveScratch() {
  if (stream_scratch.keeper == this) stream_scratch.keeper = nullptr;
  in_.Append(Unread());
  if (peeked_) in_.KeepForView(TakeStreamScratch(fresh_begin_ + fresh_));
  peeked_ = false;
  fresh_ = 0;
}

void StreamState::GiveBack() {
  if (request_ != nullptr) in_.Append(request_->GiveBack(in_.size()));
}

void StreamState::EndRead() {
  if (request_->answer().kind != ReadRequest::Answer::Kind::kTake) GiveBack();
  request_ = nullptr;
  reader_ = nullptr;
  // A read may change what a write waits for.
  if (writing()) UpdateInterest();
}

std::string StreamState::TakeString(size_t n) {
  std::string taken;
  if (fresh_ == 0) {
    taken = in_.Take(n);
  } else {
    taken.assign(Unread().substr(0, n));
    DropUnread(n);
  }
  AfterRead();  // may receive
  return taken;
}

std::string StreamState::Deliver(const MatchRequest& request) {
  if (request.exception()) {
    KeepFresh();
    std::rethrow_exception(request.exception());
  }
  return TakeString(request.answer().size);
}

std::string StreamState::Deliver(const UntilCloseRequest& request) {
  eof_reported_ = true;
  return TakeString(request.answer().size);
}

std::string_view StreamState::Deliver(const PeekRequest&) {
  if (fresh_ == 0) return in_.PinnedView();
  // Until Consume() says how many of them are to stay.
  peeked_ = true;
  StayInScratch();
  return Unread();
}

size_t StreamState::Deliver(const IntoRequest& request) {
  const size_t size = request.answer().size;
  if (has_unread()) {
    const std::string_view buffered = Unread().substr(0, size);
    ::memcpy(request.memory(), buffered.data(), buffered.size());
    DropUnread(buffered.size());
  }
  AfterRead();
  return size;
}

void StreamState::Consume(size_t n) {
  if (reading() || n > Unread().size()) RefuseConsume(n);
  DropUnread(n);
  AfterRead();
}

[[gnu::noinline]] void StreamState::RefuseConsume(size_t n) const {
  CHECK(!reading()) << "IOStream::Consume was called while a read is pending";
  CHECK_LE(n, Unread().size()) << "IOStream::Consume: more than Peek has shown";
}

absl::Status StreamState::FailRead() {
  absl::Status end = EndOfReading();
  ReportEof();
  return end;
}

absl::Status StreamState::EndOfReading() const {
  if (!closed()) return PeerClosed();
  return close_status_.ok() ? absl::CancelledError("the stream was closed") : close_status_;
}

// The stream closes when the user has read all that came before the peer's end.
void StreamState::AfterLastOctet() {
  if (closed()) return;
  // What the buffer did not take when both directions died; epoll says no more of it.
  if (hung_up_ && !eof_) FillAll();
  if (closed() || has_unread()) return;
  if (peer_close_muted_) {
    peer_close_muted_ = false;
    UpdateInterest();
  }
  const bool noticed = hung_up_ || eof_reported_ || (eof_ && close_callback_ != nullptr);
  if (!closed() && noticed) ReportEof();
}

void StreamState::ReportEof() {
  if (closed()) return;
  eof_reported_ = true;
  const bool nothing_to_write = out_.empty() && !keeps_writing_;
  if (hung_up_ || write_side_ == WriteSide::kEnded || nothing_to_write) Close(PeerClosed());
}

template class StreamRead<BytesRequest>;
template class StreamRead<UntilRequest>;
template class StreamRead<MatchRequest>;
template class StreamRead<UntilCloseRequest>;
template class StreamRead<PeekRequest>;
template class StreamRead<IntoRequest>;

}  // namespace squall::internal
