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

// Begins with the read in progress. True: it is done, or cannot be done any more; false: it has to
// wait.
bool StreamState::Begin() {
  // All was read before, as usual between two messages.
  const bool waits = drained_ && in_.empty() && request_->needs() > 0;
  if (waits && !closed() && !eof_ && !hung_up_ && !HasBufferedInput()) return false;
  return Advance();
}

// Goes on with it.
bool StreamState::Advance() { return Advance(Arrival::kSome); }

// The same after a wait: the read has looked at all that there was.
bool StreamState::AdvanceByMore() {
  if (closed() || eof_) return Advance(Arrival::kSome);
  return Advance(Receive());
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
  std::span<char> room = request_->Room(in_.size());
  const bool into_buffer = room.empty();
  if (into_buffer) room = ScratchFor(in_.size());
  if (room.empty()) return Arrival::kAll;
  ++receives_;
  const ssize_t result = transport_->Read(room.data(), room.size());
  if (result <= 0) {
    ReceiveEnd(result);
    return Arrival::kAll;
  }
  const size_t size = result;
  drained_ = size < room.size() && (plain_ || transport_->short_read_drains());
  if (!into_buffer) {
    request_->Received(size);
  } else if (in_.empty()) {
    fresh_ = size;
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
  const ssize_t result = transport_->Read(&octet, 1);
  if (result > 0) {
    Close(absl::ResourceExhaustedError(
        absl::StrCat("the read needs more than max_buffer_size ", max_buffer_size_, " octets")));
  } else {
    ReceiveEnd(result);
  }
  return closed() || eof_;
}

// Receives what the buffer has room for.
void StreamState::FillAll() {
  GiveBack();
  while (!closed() && !eof_) {
    const std::span<char> room = ScratchFor(in_.size());
    if (room.empty()) return;
    const ssize_t result = transport_->Read(room.data(), room.size());
    if (result <= 0) return ReceiveEnd(result);
    in_.Append({room.data(), static_cast<size_t>(result)});
  }
}

void StreamState::KeepFresh() {
  if (fresh_ == 0) return;
  in_.Append({StreamScratch(), fresh_});
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
  if (fresh_ == 0) {
    std::string taken = in_.Take(n);
    AfterRead();
    return taken;
  }
  const std::string_view fresh = Unread();
  fresh_ = 0;
  if (n < fresh.size()) in_.Append(fresh.substr(n));
  std::string taken(fresh.data(), n);
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
  KeepFresh();
  return in_.PinnedView();
}

size_t StreamState::Deliver(const IntoRequest& request) {
  const size_t size = request.answer().size;
  const std::string_view buffered = in_.view().substr(0, size);
  if (!buffered.empty()) ::memcpy(request.memory(), buffered.data(), buffered.size());
  in_.Drop(buffered.size());
  AfterRead();
  return size;
}

void StreamState::Consume(size_t n) {
  CHECK(!reading()) << "IOStream::Consume was called while a read is pending";
  CHECK_LE(n, in_.size()) << "IOStream::Consume: more than Peek has shown";
  in_.Drop(n);
  AfterRead();
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
  if (closed() || !in_.empty()) return;
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

}  // namespace squall::internal
