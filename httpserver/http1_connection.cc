#include "squall/httpserver/http1_connection.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <string>
#include <utility>

#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_scan.h"

namespace squall::internal {
namespace {

// Reads of one turn while lingering, so that a fast sender does not hold the loop.
constexpr int kDiscardsPerTurn = 16;

MonotonicTime Now() { return Clock::Real().Now(); }

}  // namespace

Http1Connection::Http1Connection(HttpServerCore& core, std::unique_ptr<Transport> transport,
                                 SocketAddress peer)
    : core_(core),
      transport_(std::move(transport)),
      encrypted_(transport_->encrypted()),
      peer_(peer) {}

Http1Connection::~Http1Connection() {
  if (output_.capacity() > 0) core_.ReturnOutput(std::move(output_));
}

void Http1Connection::Start(HttpServerCore::ConnectionList::iterator self) {
  self_ = self;
  const HttpServerOptions& options = core_.options();
  idle_deadline_ =
      core_.loop().Now() + std::min(options.header_timeout, options.idle_connection_timeout);
  Enter(Entry::kRead);
}

void Http1Connection::OnPosted() {
  posted_ = false;
  Enter(Entry::kGoOn);
}

void Http1Connection::Abort() {
  Close(absl::CancelledError("the server closes its connections"));
  if (depth_ == 0) Settle();
}

void Http1Connection::CloseIfIdle() {
  if (state_ != State::kServing || in_exchange_) return;
  ++depth_;
  // A request that has arrived meanwhile is served, not closed upon.
  Drive(Entry::kRead);
  if (state_ == State::kServing && !in_exchange_ && (parser_ == nullptr || parser_->idle())) {
    EndConnection(End::kLinger);
    Drive(Entry::kGoOn);
  }
  --depth_;
  Settle();
}

void Http1Connection::OnEvents(uint32_t events) {
  if ((events & IOLoop::kError) != 0 && state_ != State::kLingering) {
    // HUP beside unread input is the client's whole request and its close; the read sees both.
    const bool reset = (events & EPOLLERR) != 0;
    if (reset || end_of_input_ || !WantsInput()) {
      Close(absl::UnavailableError("the client has closed the connection"));
      Settle();
      return;
    }
  }
  if ((events & IOLoop::kRead) != 0 && !WantsInput()) unwanted_input_ = true;
  const bool readable = (events & (~IOLoop::kWrite | transport_->read_events())) != 0;
  Enter(readable ? Entry::kRead : Entry::kGoOn);
}

void Http1Connection::Enter(Entry entry) {
  ++depth_;
  Drive(entry);
  --depth_;
  Settle();
}

void Http1Connection::Drive(Entry entry) {
  burst_ = 0;
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
    if (!output_.empty() && !blocked_) Flush();
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
    input_ = std::string_view(core_.read_buffer(), static_cast<size_t>(size));
  } else if (size == 0) {
    end_of_input_ = true;
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    Fail(errno, "read from client");
  }
}

void Http1Connection::OnEndOfInput() {
  if (!in_exchange_) {
    // Between requests this is how clients leave. Half a head is not worth an answer (Tornado).
    EndConnection(End::kClose);
  } else {
    Close(absl::UnavailableError("the client has left in the middle of a request body"));
  }
}

void Http1Connection::BeginExchange() {
  const HttpServerOptions& options = core_.options();
  const RequestHead& head = parser_->head();
  in_exchange_ = true;
  message_read_ = message_complete_ = paused_ = close_after_response_ = false;
  inflate_more_ = false;
  inflated_ = 0;
  max_body_size_ = options.max_body_size;
  continue_due_ = head.expect_continue();
  encoder_.Start({.http11 = head.version_minor() >= 1,
                  .keep_alive = head.keep_alive() && !options.no_keep_alive,
                  .method_is_head = head.method() == "HEAD"});
  body_deadline_ = MonotonicTime::Infinite();
  if (head.framing() != BodyFraming::kNone) {
    body_deadline_ = Now() + options.body_timeout;
    if (options.decompress_request) {
      const auto coding = head.headers().Get("Content-Encoding");
      if (coding.has_value() && EqualsIgnoreCase(*coding, "gzip")) {
        gzip_ = std::make_unique<GzipDecompressor>();
        parser_->mutable_head().mutable_headers().Rename("Content-Encoding",
                                                         "X-Consumed-Content-Encoding");
      }
    }
  }
  if (options.xheaders) {
    auto client = std::make_unique<ForwardedClient>();
    client->remote_ip = std::string(remote_ip());
    client->protocol = std::string(protocol());
    ApplyXHeaders(head.headers(), core_.trusted(), *client);
    forwarded_ = std::move(client);
  }
  begun_ = core_.stats().RequestStarted(head.method(), head.target());
  Guarded("StartRequest", [this] { delegate_ = core_.app().StartRequest(*this); });
  if (delegate_ == nullptr || encoder_.ended()) return;
  Guarded("HeadersReceived", [this] { delegate_->HeadersReceived(); });
}

void Http1Connection::DeliverBody() {
  const size_t chunk_size = core_.options().chunk_size;
  if (gzip_ == nullptr) {
    const std::string_view piece = body_.substr(0, chunk_size);
    body_.remove_prefix(piece.size());
    Guarded("DataReceived", [&] { delegate_->DataReceived(piece); });
    return;
  }
  size_t size = 0;
  const auto result = gzip_->Next(body_, core_.inflate_buffer(), chunk_size, &size);
  inflate_more_ = result == GzipDecompressor::Result::kOutput;
  inflated_ += size;
  if (result == GzipDecompressor::Result::kCorrupt) {
    Refuse(400, "the body is not what Content-Encoding gzip says");
  } else if (inflated_ > max_body_size_) {
    Refuse(413, "the decompressed body is too large");
  } else if (size > 0) {
    const std::string_view piece(core_.inflate_buffer(), size);
    Guarded("DataReceived", [&] { delegate_->DataReceived(piece); });
  }
}

void Http1Connection::MessageComplete() {
  if (gzip_ != nullptr && !gzip_->complete()) {
    Refuse(400, "the gzip body ends early");
    return;
  }
  message_complete_ = true;
  Guarded("Finish", [this] { delegate_->Finish(); });
}

bool Http1Connection::RequestIsRead() {
  if (message_read_) return true;
  if (!body_.empty() || inflate_more_ || held_body_ > 0) return false;
  // Nothing of the body is missing when the parser says so without being given more.
  message_read_ = parser_->Feed({}).kind == Http1Event::kMessageComplete;
  return message_read_;
}

void Http1Connection::EndExchange() {
  const bool read = RequestIsRead();
  const bool close = encoder_.close() || close_after_response_ || !read || core_.closing_idle();
  core_.stats().RequestEnded(encoder_.status());
  in_exchange_ = message_read_ = message_complete_ = paused_ = continue_due_ = false;
  inflate_more_ = false;
  body_ = {};
  gzip_.reset();
  delegate_.reset();
  forwarded_.reset();
  if (read) {
    parser_->StartNextMessage();
    parser_fresh_ = true;
  }
  if (!close) return;
  // A client that was not told may have its next request on the way.
  const bool unread = !read || !input_.empty() || maybe_unread_ || !encoder_.close();
  if (parser_fresh_) core_.ReturnParser(std::move(parser_));
  EndConnection(unread ? End::kLinger : End::kClose);
}

void Http1Connection::Refuse(int status, std::string_view why) {
  LOG(INFO) << "Refused a request from " << peer_ << " with " << status << ": " << why;
  if (encoder_.begun() && in_exchange_) {
    Close(absl::AbortedError(ToAbsl(why)));
    return;
  }
  const bool method_is_head =
      parser_ != nullptr && parser_->has_request_line() && parser_->head().method() == "HEAD";
  const bool answers_request = in_exchange_;
  if (in_exchange_) {
    in_exchange_ = message_complete_ = message_read_ = false;
    core_.stats().RequestEnded(status);
    if (delegate_ != nullptr) {
      Guarded("OnConnectionClose", [this] { delegate_->OnConnectionClose(); });
    }
    delegate_.reset();
    if (state_ != State::kServing) return;
  } else {
    core_.stats().Refused(status);
  }
  encoder_.Start({.http11 = true, .keep_alive = false, .method_is_head = method_is_head});
  AppendErrorAnswer(status);
  if (answers_request) AnswerEnds();
  EndConnection(End::kLinger);
}

void Http1Connection::Discard() {
  for (int i = 0; i < kDiscardsPerTurn; ++i) {
    const ssize_t size = transport_->Read(core_.read_buffer(), HttpServerCore::kReadBufferSize);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size > 0) discarded_ += static_cast<uint64_t>(size);
    if (size <= 0 || discarded_ > core_.options().linger_bytes) {
      Close(absl::OkStatus());
      return;
    }
  }
}

void Http1Connection::Hold() {
  if (body_.empty() && input_.empty()) {
    held_at_ = held_body_ = 0;
    if (held_.capacity() > 0) std::string().swap(held_);
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
  if (state_ == State::kClosed) {
    if (in_exchange_) {
      const bool answered = encoder_.ended();
      in_exchange_ = false;
      core_.stats().RequestEnded(answered ? encoder_.status() : 0);
      if (!answered && delegate_ != nullptr) {
        ++depth_;
        Guarded("OnConnectionClose", [this] { delegate_->OnConnectionClose(); });
        --depth_;
      }
      delegate_.reset();
    }
    SetHeld(false);
    core_.Remove(self_);  // destroys *this
    return;
  }
  if (output_.empty() && output_.capacity() > 0) {
    core_.ReturnOutput(std::exchange(output_, std::string()));
  }
  UpdateInterest();
  if (state_ != State::kClosed) UpdateDeadline();
}

template <typename F>
void Http1Connection::Guarded(const char* what, F&& callback) {
  try {
    callback();
  } catch (const std::exception& error) {
    OnDelegateFailure(what, error.what());
  } catch (...) {
    OnDelegateFailure(what, "an exception that is no std::exception");
  }
}

void Http1Connection::OnDelegateFailure(const char* what, std::string_view error) {
  LOG(ERROR) << "Uncaught exception in " << what << " for client " << peer_ << ": " << error;
  if (!in_exchange_ || encoder_.ended() || state_ != State::kServing) return;
  if (encoder_.begun()) {
    Close(absl::InternalError("the handler failed in the middle of its answer"));
  } else {
    ResponseHead head;
    head.status = 500;
    head.headers.Set("Content-Type", "text/plain");
    FinishWith(head, "500: Internal Server Error\n").IgnoreError();
  }
}

}  // namespace squall::internal
