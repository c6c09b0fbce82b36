#include "squall/httpserver/http1_connection.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "squall/base/logging.h"

namespace squall::internal {
namespace {

// Reads of one turn while lingering, so that a fast sender does not hold the loop.
constexpr int kDiscardsPerTurn = 16;
// Likewise while a body is read.
constexpr int kReadsPerTurn = 16;
// One read may be a thousand times as much when it is unpacked; with others like it each piece is
// added to the wait of everybody.
constexpr int kInflatesPerTurn = 2;
// A connection, or a head, has this long until others may have its place.
constexpr absl::Duration kYoung = absl::Seconds(1);

MonotonicTime Now() { return Clock::Real().Now(); }

}  // namespace

Http1Connection::Http1Connection(HttpServerCore& core, std::unique_ptr<Transport> transport,
                                 SocketAddress peer)
    : core_(core),
      transport_(std::move(transport)),
      encrypted_(transport_->encrypted()),
      peer_(peer) {}

Http1Connection::~Http1Connection() {
  if (HoldsMemory(output_)) core_.ReturnOutput(std::move(output_));
}

void Http1Connection::Start(HttpServerCore::ConnectionList::iterator self) {
  self_ = self;
  const HttpServerOptions& options = core_.options();
  opened_ = core_.loop().Now();
  old_at_ = opened_ + options.max_connection_age;
  idle_deadline_ = opened_ + std::min(options.header_timeout, options.idle_connection_timeout);
  Enter(Entry::kRead);
}

void Http1Connection::OnPosted() {
  posted_ = false;
  Enter(Entry::kGoOn);
}

void Http1Connection::Abort() {
  aborted_ = true;
  Close(absl::CancelledError("the server closes its connections"));
  if (depth_ == 0) Settle();
}

void Http1Connection::CloseIfIdle() {
  if (state_ != State::kServing || in_exchange_) return;
  Turn([this] {
    // A request that has arrived meanwhile is served, not closed upon.
    Drive(Entry::kRead);
    if (state_ != State::kServing || in_exchange_) return;
    if (parser_ != nullptr && !parser_->idle()) return;
    EndConnection(End::kLinger);
    Drive(Entry::kGoOn);
  });
}

Http1Connection::Wait Http1Connection::WaitsForClient() const {
  const HttpServerOptions& options = core_.options();
  const absl::Duration head_time =
      std::min(options.header_timeout, options.idle_connection_timeout);
  Wait wait{.what = Wait::kRest};
  if (state_ == State::kLingering) {
    wait.since = linger_deadline_ - options.linger_timeout;
  } else if (state_ != State::kServing || in_exchange_ || blocked_ || posted_) {
    return Wait();
  } else if (parser_ != nullptr && parser_->in_head()) {
    wait.since = head_deadline_ - head_time;
  } else if (requests_ == 0) {
    wait = {.what = Wait::kFirstRequest, .since = opened_};
  } else {
    const absl::Duration allowed = options.idle_connection_timeout;
    const bool endless = allowed == absl::InfiniteDuration();
    return {.what = Wait::kNextRequest, .since = endless ? opened_ : idle_deadline_ - allowed};
  }
  return core_.loop().Now() - wait.since < kYoung ? Wait() : wait;
}

void Http1Connection::GiveUp() {
  Turn([this] {
    Drive(Entry::kRead);
    if (WaitsForClient().what == Wait::kNothing) return;
    Close(absl::ResourceExhaustedError("the server needs the connection for others"));
  });
}

void Http1Connection::OnEvents(uint32_t events) {
  if ((events & IOLoop::kError) != 0 && (state_ != State::kLingering || end_of_input_)) {
    // HUP beside unread input is the client's whole request and its close; the read sees both.
    const bool reset = (events & EPOLLERR) != 0;
    if (reset || end_of_input_ || !WantsInput()) {
      Close(absl::UnavailableError("the client has closed the connection"));
      Settle();
      return;
    }
  }
  // Asked for while the delegate has paused the body, for it would not be read otherwise.
  if ((events & EPOLLRDHUP) != 0 && paused_ && !WantsInput()) {
    if (LeftInBody()) {
      Close(absl::UnavailableError("the client has left in the middle of a request body"));
      Settle();
      return;
    }
    end_seen_ = true;
  }
  if ((events & IOLoop::kRead) != 0 && !WantsInput()) unwanted_input_ = true;
  const bool readable = (events & (~IOLoop::kWrite | transport_->read_events())) != 0;
  Enter(readable ? Entry::kRead : Entry::kGoOn);
}

void Http1Connection::Enter(Entry entry) {
  Turn([this, entry] { Drive(entry); });
}

void Http1Connection::FailTurn(const char* error) {
  aborted_ = true;
  // Without a message, for which there may be no memory; what is given back here may be enough for
  // the line of log.
  Close(absl::Status(absl::StatusCode::kResourceExhausted, ""));
  try {
    LOG(ERROR) << "Closed the connection of " << peer_ << ": " << error;
  } catch (const std::bad_alloc&) {
  }
}

void Http1Connection::Drive(Entry entry) {
  burst_ = 0;
  int reads = 0;
  if (blocked_) Flush();
  body_ = std::string_view(held_).substr(held_at_, held_body_);
  input_ = std::string_view(held_).substr(held_at_ + held_body_);
  held_body_ = 0;
  bool may_read =
      entry == Entry::kRead || (transport_ != nullptr && transport_->HasBufferedInput());
  while (state_ == State::kServing) {
    const Progress progress = Process();
    if (state_ != State::kServing) break;
    if (progress == Progress::kYield) {
      if (!std::exchange(posted_, true)) core_.Post(this);
      break;
    }
    if (end_of_input_) {
      if (progress == Progress::kNeedInput) OnEndOfInput();
      break;
    }
    if (!may_read || !WantsInput()) break;
    // While an answer is being made, input is read to keep it for later and to see the client
    // leave.
    if (progress == Progress::kWaiting) Hold();
    Receive();
    may_read = maybe_unread_ || end_of_input_;
    if (maybe_unread_ && ++reads == kReadsPerTurn) {
      // The others have their turn; epoll tells again of what it can see.
      may_read = false;
      if (transport_->HasBufferedInput() && !std::exchange(posted_, true)) core_.Post(this);
    }
    if (progress == Progress::kWaiting) {
      if (!input_.empty()) held_.append(input_);
      input_ = std::string_view(held_).substr(held_at_ + held_body_);
      body_ = std::string_view(held_).substr(held_at_, held_body_);
      if (end_of_input_ && !core_.options().answer_half_closed) {
        Close(absl::UnavailableError("the client has shut down its side of the connection"));
      }
      break;
    }
  }
  if (state_ == State::kServing) {
    Hold();
    if (write_buffer_size() > 0 && !blocked_) Flush();
  }
  input_ = body_ = {};
  GoOnEnding();
}

Http1Connection::Progress Http1Connection::Process() {
  while (state_ == State::kServing) {
    if (in_exchange_ && encoder_.ended()) {
      EndExchange();
      if (!input_.empty() && ++burst_ >= core_.options().pipeline_burst) return Progress::kYield;
      continue;
    }
    if (message_complete_ || paused_) return Progress::kWaiting;
    if (write_blocked() && !Flush()) {
      if (write_blocked()) return Progress::kWaiting;
      continue;
    }
    if (!body_.empty() || inflate_more_) {
      if (gzip_ != nullptr && burst_++ >= kInflatesPerTurn) return Progress::kYield;
      DeliverBody();
      continue;
    }
    if (message_read_) {
      MessageComplete();
      continue;
    }
    if (!in_exchange_ && input_.empty()) {
      if (parser_ != nullptr && parser_fresh_) core_.ReturnParser(std::move(parser_));
      return Progress::kNeedInput;
    }
    if (parser_ == nullptr) {
      parser_ = core_.TakeParser();
      parser_fresh_ = true;
    }
    const bool before_head = parser_->idle();
    // The verdict on a body's length is due before the client is told to send it.
    const bool asks = std::exchange(continue_due_, false) && !encoder_.begun();
    const Http1Event event = parser_->Feed(asks ? std::string_view() : input_);
    if (event.consumed > 0) parser_fresh_ = false;
    input_.remove_prefix(event.consumed);
    switch (event.kind) {
      case Http1Event::kNeedMore:
        if (asks) {
          AppendOutput("HTTP/1.1 100 Continue\r\n\r\n");
          Flush();
          continue;
        }
        if (in_exchange_ || parser_->in_head()) request_in_pieces_ = true;
        if (before_head && parser_->in_head()) {
          head_deadline_ = Now() + std::min(core_.options().header_timeout,
                                            core_.options().idle_connection_timeout);
        }
        return Progress::kNeedInput;
      case Http1Event::kHead:
        BeginExchange();
        break;
      case Http1Event::kBody:
        body_ = event.body;
        break;
      case Http1Event::kMessageComplete:
        message_read_ = true;
        break;
      case Http1Event::kError:
        if (BeginsHttp2()) return TakeUpHttp2(), Progress::kWaiting;
        Refuse(parser_->error_status(), parser_->error_reason());
        break;
    }
  }
  return Progress::kWaiting;
}

void Http1Connection::Receive() {
  const ssize_t size = transport_->Read(core_.read_buffer(), HttpServerCore::kReadBufferSize);
  maybe_unread_ = size == static_cast<ssize_t>(HttpServerCore::kReadBufferSize) ||
                  (size > 0 && transport_->HasBufferedInput());
  input_ = {};
  if (size > 0) {
    core_.stats().BytesIn(static_cast<uint64_t>(size));
    if (in_exchange_ && !message_read_ && core_.options().body_min_rate > 0) {
      body_deadline_ += TimeFor(static_cast<uint64_t>(size), core_.options().body_min_rate);
    }
    input_ = std::string_view(core_.read_buffer(), static_cast<size_t>(size));
  } else if (size == 0) {
    end_of_input_ = true;
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    Fail(errno, "read from client");
  }
}

void Http1Connection::OnEndOfInput() {
  // Between requests this is how clients leave. Half a head is not worth an answer (Tornado), and half
  // a body neither, but whoever shut down its side may still wait for what it has asked before.
  if (in_exchange_ && !encoder_.begun()) GiveUpExchange(/*status=*/0);
  if (in_exchange_) {
    Close(absl::UnavailableError("the client has left in the middle of a request body"));
  } else {
    EndConnection(End::kClose);
  }
}

void Http1Connection::Discard() {
  for (int i = 0; i < kDiscardsPerTurn; ++i) {
    const ssize_t size = transport_->Read(core_.read_buffer(), HttpServerCore::kReadBufferSize);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size == 0) {
      end_of_input_ = true;
      return CloseOnceTaken();
    }
    if (size > 0) discarded_ += static_cast<uint64_t>(size);
    if (size < 0 || discarded_ > core_.options().linger_bytes) {
      Close(absl::OkStatus());
      return;
    }
  }
}

void Http1Connection::Hold() {
  if (body_.empty() && input_.empty()) {
    held_at_ = held_body_ = 0;
    held_.clear();
    if (HoldsMemory(held_)) std::string().swap(held_);
    return;
  }
  // What came from held_ and begins with input stays where it is.
  if (body_.empty() && !held_.empty() && input_.data() >= held_.data() &&
      input_.data() < held_.data() + held_.size()) {
    held_at_ = static_cast<size_t>(input_.data() - held_.data());
    held_body_ = 0;
    if (held_at_ > held_.size() / 2) {
      // Used octets go once they are the larger part: bounded memory, linear copying.
      held_.erase(0, std::exchange(held_at_, 0));
    }
    return;
  }
  std::string rest;
  rest.reserve(body_.size() + input_.size());
  rest.append(body_).append(input_);
  held_ = std::move(rest);
  held_at_ = 0;
  held_body_ = body_.size();
  body_ = std::string_view(held_).substr(0, held_body_);
  input_ = std::string_view(held_).substr(held_body_);
}

void Http1Connection::Settle() {
  if (state_ != State::kClosed) Caught([this] { WaitForMore(); });
  if (state_ == State::kClosed) Leave();
}

// It goes on when there is something to wait for.
void Http1Connection::WaitForMore() {
  if (output_.empty() && HoldsMemory(output_)) {
    core_.ReturnOutput(std::exchange(output_, std::string()));
  }
  UpdateInterest();
  if (state_ != State::kClosed) UpdateDeadline();
}

void Http1Connection::Leave() {
  if (std::exchange(in_exchange_, false)) {
    const bool answered = encoder_.ended();
    core_.stats().RequestEnded(answered ? encoder_.status() : 0);
    if (!answered && delegate_ != nullptr) {
      ++depth_;
      Caught([this] { Guarded("OnConnectionClose", [this] { delegate_->OnConnectionClose(); }); });
      --depth_;
    }
    delegate_.reset();
  }
  SetHeld(false);
  core_.Remove(self_);  // destroys *this
}

}  // namespace squall::internal
