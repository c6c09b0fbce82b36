#include "squall/ioloop/stream_state.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/invoke.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/local_ptr.h"
#include "squall/ioloop/stream_scratch.h"
#include "squall/ioloop/transport.h"

namespace squall::internal {
namespace {

// A chunk that is as large as the buffer would fill it with what no read has asked for yet.
uint32_t ChunkSize(const IOStreamOptions& options) {
  const size_t half = std::max<size_t>(options.max_buffer_size / 2, 1);
  return static_cast<uint32_t>(std::min({options.read_chunk_size, half, StreamScratch::kSize}));
}

}  // namespace

StreamState::StreamState(std::unique_ptr<Transport> transport, const IOStreamOptions& options)
    : transport_(std::move(transport)),
      plain_fd_(transport_ != nullptr && transport_->plain() ? transport_->fd() : -1),
      read_chunk_size_less_one_(static_cast<uint16_t>(ChunkSize(options) - 1)),
      max_buffer_size_(options.max_buffer_size),
      max_write_buffer_size_(options.max_write_buffer_size.value_or(IOStream::kUnlimited)),
      loop_(&IOLoop::Current()),
      keeps_writing_(options.on_peer_eof == OnPeerEof::kKeepWriting) {
  CHECK(transport_ != nullptr && transport_->fd() >= 0) << "an IOStream needs a connected socket";
  CHECK_GT(options.max_buffer_size, 0u);
  CHECK_GT(options.read_chunk_size, 0u);
}

StreamState::~StreamState() {
  Unregister();
  if (stream_scratch.keeper == this) stream_scratch.keeper = nullptr;
}

void StreamState::OnEventsOf(void* of, uint32_t events) {
  StreamState& state = *static_cast<StreamState*>(of);
  // A message for a reader that waits. Whoever is resumed may destroy the state.
  if (events == EPOLLIN && state.plain() && state.reader_) {
    state.drained_ = false;
    return state.GoOnReading();
  }
  state.OnEvents(events);
}

void StreamState::OnEvents(uint32_t events) {
  const LocalPtr<StreamState> self = LocalPtr<StreamState>::Of(this);
  const uint32_t for_reader = ~IOLoop::kWrite | ReadEvents();
  if ((events & (IOLoop::kWrite | WriteEvents())) != 0) {
    Flush();
    ResumeWriters();
  }
  if (closed() || (events & for_reader) == 0) return;
  drained_ = false;
  if (reader_) {
    GoOnReading();
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
    if (!has_unread()) ReportEof();
    return;
  }
  if (!eof_) peer_close_muted_ = true;
  if (eof_ && !has_unread()) ReportEof();
  UpdateInterest(/*drop_read=*/true);
}

// Tells epoll what matters now. Interest in reading is kept until it proves to be useless: between
// two requests of a connection that saves both epoll_ctl.
void StreamState::UpdateInterest(bool drop_read) {
  if (closed() || hung_up_) return;
  uint32_t events = IOLoop::kNone;
  if (reader_) {
    events |= ReadEvents();
  } else if (!drop_read && !eof_) {
    events |= registered_events_ & IOLoop::kRead;
  }
  if (!out_.empty() || write_side_ == WriteSide::kEnding) events |= WriteEvents();
  if (reader_ && HasBufferedInput()) PostReader();
  if (close_callback_ != nullptr && !eof_ && !peer_close_muted_) events |= EPOLLRDHUP;
  absl::Status status;
  if (!registered_) {
    if (events == IOLoop::kNone) return;
    status = loop_->AddHandler(fd(), events, &OnEventsOf, this);
    registered_ = status.ok();
  } else if (events != registered_events_) {
    status = loop_->UpdateHandler(fd(), events);
  }
  registered_events_ = static_cast<uint16_t>(events);
  if (!status.ok()) Close(status);
}

void StreamState::Unregister() {
  if (!registered_) return;
  registered_ = false;
  registered_events_ = IOLoop::kNone;
  // The loop may have ended before the stream.
  if (IOLoop::IfExists() == loop_) loop_->RemoveHandler(fd());
}

// For octets that epoll knows nothing of.
void StreamState::PostReader() {
  if (reader_posted_) return;
  reader_posted_ = true;
  loop_->AddCallback([self = LocalPtr<StreamState>::Of(this)] {
    self->reader_posted_ = false;
    if (!self->closed() && self->reader_) self->GoOnReading();
  });
}

void StreamState::GoOnReading() {
  receives_ = 0;
  writes_ = 0;
  // What is looked at behind recv: the frame of the reader, and the request in it.
  const char* const frame = static_cast<const char*>(reader_.address());
  __builtin_prefetch(frame);
  __builtin_prefetch(frame + 64);
  __builtin_prefetch(request_);
  __builtin_prefetch(request_ + 1);
  if (AdvanceByMore()) {
    ResumeReader();
  } else {
    in_.Shrink();
    UpdateInterest();
  }
}

void StreamState::SetCloseCallback(absl::AnyInvocable<void()> callback) {
  close_callback_ = callback == nullptr
                        ? nullptr
                        : std::make_unique<absl::AnyInvocable<void()>>(std::move(callback));
  if (closed()) {
    ScheduleCloseNotice();
  } else {
    UpdateInterest();
  }
}

absl::StatusOr<UniqueFd> StreamState::Detach() {
  const auto refuse = [](const char* why) {
    return absl::FailedPreconditionError(absl::StrCat("IOStream::Detach: ", why));
  };
  if (closed()) return refuse("the stream is closed");
  if (write_side_ != WriteSide::kOpen) return refuse("CloseWrite() was called");
  if (reading() || writing()) return refuse("a read or a write is pending; await it first");
  if (has_unread() || eof_) return refuse("the peer has sent more than was read");
  Unregister();
  UniqueFd socket = transport_->Release();
  if (!socket.valid()) {
    UpdateInterest();
    return refuse("the stream is not a plain socket");
  }
  Abandon();
  return socket;
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
  loop_->AddCallback([self = LocalPtr<StreamState>::Of(this)] { self->NotifyClosed(); });
}

void StreamState::NotifyClosed() {
  if (reader_ && Advance()) ResumeReader();
  ResumeWriters();
  if (close_callback_ == nullptr) return;
  const std::unique_ptr<absl::AnyInvocable<void()>> callback = std::move(close_callback_);
  InvokeLogged("a close callback", *callback);
}

}  // namespace squall::internal
