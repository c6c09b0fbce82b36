#include "squall/ioloop/stream_state.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/task.h"

namespace squall::internal {
namespace {

constexpr size_t kScratchSize = 64 << 10;
constexpr int kMaxBuffersPerWrite = 64;
// Then the reader waits for its turn in the loop, so that a fast peer does not keep the others from
// theirs.
constexpr int kMaxFillsInARow = 16;

// recv goes here first and only what came is kept, so that a stream holds no more than its unread
// octets.
char* Scratch() {
  thread_local const std::unique_ptr<char[]> scratch(new char[kScratchSize]);
  return scratch.get();
}

Task<absl::Status> Ready(absl::Status status) { co_return status; }

absl::Status PeerClosed() { return absl::UnavailableError("the peer closed the stream"); }

}  // namespace

class StreamState::ReadableAwaiter {
 public:
  explicit ReadableAwaiter(StreamState* state) : state_(state) {}
  ~ReadableAwaiter() { state_->reader_ = nullptr; }
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> reader) {
    state_->reader_ = reader;
    // Fails by closing, and then the reader has to go on at once.
    state_->UpdateInterest();
    return !state_->closed();
  }
  void await_resume() const noexcept {}

 private:
  StreamState* const state_;
};

class StreamState::FlushedAwaiter {
 public:
  FlushedAwaiter(StreamState* state, uint64_t target) : state_(state), target_(target) {}
  ~FlushedAwaiter() { std::erase(state_->writers_, this); }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> writer) {
    writer_ = writer;
    state_->writers_.push_back(this);
  }
  void await_resume() const noexcept {}

  bool done() const { return state_->closed() || state_->out_.total_removed() >= target_; }
  void Resume() { writer_.resume(); }

 private:
  StreamState* const state_;
  const uint64_t target_;
  std::coroutine_handle<> writer_;
};

class StreamState::ReadingScope {
 public:
  explicit ReadingScope(StreamState* state) : state_(state) { state_->reading_ = true; }
  ~ReadingScope() { state_->reading_ = false; }

 private:
  StreamState* const state_;
};

StreamState::StreamState(std::unique_ptr<Transport> transport, IOStreamOptions options)
    : loop_(&IOLoop::Current()), options_(options), transport_(std::move(transport)) {
  CHECK(transport_ != nullptr && transport_->fd() >= 0) << "an IOStream needs a connected socket";
  CHECK_GT(options_.max_buffer_size, 0u);
  CHECK_GT(options_.read_chunk_size, 0u);
}

StreamState::~StreamState() { Unregister(); }

Task<absl::StatusOr<std::string>> StreamState::Read(std::shared_ptr<StreamState> state,
                                                    ReadRequest request) {
  if (state->reading_) {
    co_return absl::FailedPreconditionError(
        "Already reading: a stream serves one read at a time; await the other one first");
  }
  if (request.kind == ReadRequest::Kind::kUntil && request.delimiter.empty()) {
    co_return absl::InvalidArgumentError("ReadUntil: the delimiter is empty");
  }
  if (request.kind == ReadRequest::Kind::kExact && request.size > state->options_.max_buffer_size) {
    co_return absl::ResourceExhaustedError(
        absl::StrCat("ReadBytes: ", request.size, " octets do not fit into max_buffer_size ",
                     state->options_.max_buffer_size, "; read them in parts"));
  }
  ReadingScope scope(state.get());
  while (true) {
    absl::StatusOr<std::optional<std::string>> taken = state->TakeFromBuffer(request);
    if (!taken.ok()) {
      state->Close(taken.status());
      co_return taken.status();
    }
    if (taken->has_value()) {
      state->AfterRead();
      co_return **std::move(taken);
    }
    if (state->closed() || state->eof_) {
      const absl::Status end = state->EndOfReading();
      state->ReportEof();
      co_return end;
    }
    FillResult result = FillResult::kWouldBlock;
    if (state->fills_ < kMaxFillsInARow || state->hung_up_) result = state->Fill();
    if (result == FillResult::kFull) result = state->ProbeEnd();
    if (result == FillResult::kFull) {
      const absl::Status full = absl::ResourceExhaustedError(absl::StrCat(
          "the read needs more than max_buffer_size ", state->options_.max_buffer_size, " octets"));
      state->Close(full);
      co_return full;
    }
    if (result == FillResult::kWouldBlock && state->hung_up_) state->eof_ = true;
    if (result == FillResult::kWouldBlock && !state->hung_up_) {
      co_await ReadableAwaiter(state.get());
      state->fills_ = 0;
    }
  }
}

absl::StatusOr<std::optional<std::string>> StreamState::TakeFromBuffer(ReadRequest& request) {
  switch (request.kind) {
    case ReadRequest::Kind::kUntil:
      return TakeUntil(request);
    case ReadRequest::Kind::kExact:
      if (in_.size() < request.size) return std::nullopt;
      return in_.Take(request.size);
    case ReadRequest::Kind::kPartial:
      if (in_.empty() && request.size > 0) return std::nullopt;
      return in_.Take(std::min(request.size, in_.size()));
    case ReadRequest::Kind::kUntilClose:
      // A stream that broke has no end, it only stops.
      if (!eof_) return std::nullopt;
      if (eof_reported_ && in_.empty()) return std::nullopt;
      eof_reported_ = true;
      return in_.Take(in_.size());
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string>> StreamState::TakeUntil(ReadRequest& request) {
  const std::string_view view = in_.view();
  const std::string_view rest = view.substr(request.scanned);
  // memmem is linear in its input, std::string_view::find is not.
  const void* const at =
      ::memmem(rest.data(), rest.size(), request.delimiter.data(), request.delimiter.size());
  const size_t seen = at == nullptr
                          ? view.size()
                          : static_cast<size_t>(static_cast<const char*>(at) - view.data()) +
                                request.delimiter.size();
  if (seen > request.max_bytes) {
    return absl::OutOfRangeError(absl::StrCat("no delimiter \"", absl::CEscape(request.delimiter),
                                              "\" within ", request.max_bytes, " octets"));
  }
  if (at != nullptr) return in_.Take(seen);
  // A delimiter may have begun in the last octets.
  const size_t tail = std::min(view.size(), request.delimiter.size() - 1);
  request.scanned = view.size() - tail;
  return std::nullopt;
}

absl::Status StreamState::EndOfReading() const {
  if (closed()) {
    return close_status_.ok() ? absl::CancelledError("the stream was closed") : close_status_;
  }
  return PeerClosed();
}

StreamState::FillResult StreamState::Fill() {
  const size_t room = options_.max_buffer_size - in_.size();
  if (room == 0) return FillResult::kFull;
  const size_t chunk =
      std::clamp<size_t>(options_.max_buffer_size / 2, 1, options_.read_chunk_size);
  const ssize_t size = transport_->Read(Scratch(), std::min({room, chunk, kScratchSize}));
  ++fills_;
  if (size > 0) {
    in_.Append(std::string_view(Scratch(), size));
    return FillResult::kData;
  }
  if (size == 0) {
    eof_ = true;
    return FillResult::kEnd;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return FillResult::kWouldBlock;
  Close(transport_->ErrorStatus(errno, "reading from the stream"));
  return FillResult::kEnd;
}

// Whether the peer ended exactly where the buffer did. Else the octet that is read here is lost,
// but so is the stream.
StreamState::FillResult StreamState::ProbeEnd() {
  char octet;
  const ssize_t size = transport_->Read(&octet, 1);
  if (size > 0) return FillResult::kFull;
  if (size == 0) {
    eof_ = true;
    return FillResult::kEnd;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return FillResult::kWouldBlock;
  Close(transport_->ErrorStatus(errno, "reading from the stream"));
  return FillResult::kEnd;
}

void StreamState::FillAll() {
  while (!closed() && !eof_ && Fill() == FillResult::kData) {
  }
}

// The stream closes when the user has read all that came before the peer's end.
void StreamState::AfterRead() {
  if (closed() || !in_.empty()) return;
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
  if (hung_up_ || (out_.empty() && options_.on_peer_eof == OnPeerEof::kClose)) Close(PeerClosed());
}

Task<absl::Status> StreamState::Write(std::string data) {
  if (closed()) return Ready(EndOfReading());
  const size_t limit = options_.max_write_buffer_size.value_or(IOStream::kUnlimited);
  if (data.size() > limit - std::min(limit, out_.size())) {
    return Ready(absl::ResourceExhaustedError(
        absl::StrCat("Write: ", data.size(), " octets on top of ", out_.size(),
                     " that wait exceed max_write_buffer_size ", limit)));
  }
  const bool was_empty = out_.empty();
  out_.Add(std::move(data));
  if (was_empty) Flush();
  if (closed()) return Ready(EndOfReading());
  if (out_.empty()) return Ready(absl::OkStatus());
  return WaitFlushed(shared_from_this(), out_.total_added());
}

Task<absl::Status> StreamState::WaitFlushed(std::shared_ptr<StreamState> state, uint64_t target) {
  if (!state->closed() && state->out_.total_removed() < target) {
    co_await FlushedAwaiter(state.get(), target);
  }
  if (state->out_.total_removed() >= target) co_return absl::OkStatus();
  co_return state->EndOfReading();
}

void StreamState::Flush() {
  while (!out_.empty()) {
    iovec buffers[kMaxBuffersPerWrite];
    const ssize_t written = transport_->Write(buffers, out_.Fill(buffers, kMaxBuffersPerWrite));
    if (written >= 0) {
      out_.Remove(written);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    const absl::Status status = transport_->ErrorStatus(errno, "writing to the stream");
    // The peer's last words are still to be read.
    FillAll();
    Close(status);
    return;
  }
  UpdateInterest();
  if (!closed() && out_.empty() && eof_reported_) ReportEof();
}

void StreamState::OnEvents(uint32_t events) {
  const std::shared_ptr<StreamState> self = shared_from_this();
  const uint32_t for_reader = ~IOLoop::kWrite | transport_->read_events();
  if ((events & (IOLoop::kWrite | transport_->write_events())) != 0) {
    Flush();
    ResumeWriters();
  }
  if (closed()) return;
  if (reader_) {
    if ((events & for_reader) != 0) ResumeReader();
  } else if ((events & (IOLoop::kError | EPOLLRDHUP)) != 0) {
    OnHangUp(events);
  } else if ((events & IOLoop::kRead) != 0) {
    // Nobody asks; the octets stay in the kernel and slow the peer.
    UpdateInterest(/*drop_read=*/true);
  }
}

// The peer is gone while nobody reads: keeps what it has sent, as far as the buffer takes it.
void StreamState::OnHangUp(uint32_t events) {
  FillAll();
  if (closed()) return;
  if ((events & IOLoop::kError) != 0) {
    hung_up_ = true;
    Unregister();
    if (in_.empty()) ReportEof();
    return;
  }
  if (!eof_) peer_close_muted_ = true;
  if (eof_ && in_.empty()) ReportEof();
  UpdateInterest(/*drop_read=*/true);
}

// Tells epoll what matters now. Interest in reading is kept until it proves to be useless: between
// two requests of a connection that saves both epoll_ctl.
void StreamState::UpdateInterest(bool drop_read) {
  if (closed() || hung_up_) return;
  uint32_t events = IOLoop::kNone;
  if (reader_) {
    events |= transport_->read_events();
  } else if (!drop_read && !eof_) {
    events |= registered_events_ & IOLoop::kRead;
  }
  if (!out_.empty()) events |= transport_->write_events();
  if (reader_ && transport_->HasBufferedInput()) PostReader();
  if (close_callback_ != nullptr && !eof_ && !peer_close_muted_) events |= EPOLLRDHUP;
  absl::Status status;
  if (!registered_) {
    if (events == IOLoop::kNone) return;
    status = loop_->AddHandler(fd(), events, [this](uint32_t ready) { OnEvents(ready); });
    registered_ = status.ok();
  } else if (events != registered_events_) {
    status = loop_->UpdateHandler(fd(), events);
  }
  registered_events_ = events;
  if (!status.ok()) Close(status);
}

void StreamState::Unregister() {
  if (!std::exchange(registered_, false)) return;
  registered_events_ = IOLoop::kNone;
  // The loop may have ended before the stream.
  if (IOLoop::IfExists() == loop_) loop_->RemoveHandler(fd());
}

// For octets that epoll knows nothing of.
void StreamState::PostReader() {
  if (std::exchange(reader_posted_, true)) return;
  loop_->AddCallback([self = shared_from_this()] {
    self->reader_posted_ = false;
    if (!self->closed()) self->ResumeReader();
  });
}

void StreamState::ResumeReader() {
  if (reader_) std::exchange(reader_, nullptr).resume();
}

void StreamState::ResumeWriters() {
  while (true) {
    const auto it = std::find_if(writers_.begin(), writers_.end(),
                                 [](const FlushedAwaiter* writer) { return writer->done(); });
    if (it == writers_.end()) return;
    FlushedAwaiter* const writer = *it;
    writers_.erase(it);
    writer->Resume();
  }
}

void StreamState::SetCloseCallback(absl::AnyInvocable<void()> callback) {
  close_callback_ = std::move(callback);
  if (closed()) {
    ScheduleCloseNotice();
  } else {
    UpdateInterest();
  }
}

void StreamState::Close(absl::Status why) {
  if (closed()) return;
  close_status_ = std::move(why);
  Unregister();
  transport_.reset();
  out_.Clear();
  ScheduleCloseNotice();
}

void StreamState::Abandon() {
  close_callback_ = nullptr;
  Close(absl::OkStatus());
}

void StreamState::ScheduleCloseNotice() {
  if (!reader_ && writers_.empty() && close_callback_ == nullptr) return;
  if (IOLoop::IfExists() != loop_) return;
  loop_->AddCallback([self = shared_from_this()] { self->NotifyClosed(); });
}

void StreamState::NotifyClosed() {
  ResumeReader();
  ResumeWriters();
  if (close_callback_ == nullptr) return;
  absl::AnyInvocable<void()> callback = std::exchange(close_callback_, nullptr);
  InvokeLogged("a close callback", callback);
}

}  // namespace squall::internal
