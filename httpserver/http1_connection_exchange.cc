// One request and its answer on a connection: what the delegate hears, and how it ends.
#include <algorithm>
#include <string>
#include <utility>

#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http1_connection.h"
#include "squall/httpserver/http_scan.h"

namespace squall::internal {

void Http1Connection::BeginExchange() {
  const HttpServerOptions& options = core_.options();
  const RequestHead& head = parser_->head();
  in_exchange_ = true;
  ++requests_;
  message_read_ = message_complete_ = paused_ = close_after_response_ = false;
  inflate_more_ = false;
  inflated_ = 0;
  max_body_size_ = options.max_body_size;
  continue_due_ = head.expect_continue();
  encoder_.Start({.http11 = head.version_minor() >= 1,
                  .keep_alive = MayKeepAlive(head),
                  .connection_field = head.version_minor() == 0 && head.headers().Has("Connection"),
                  .method_is_head = head.method() == "HEAD"});
  body_deadline_ = MonotonicTime::Infinite();
  if (head.framing() != BodyFraming::kNone) {
    body_deadline_ = Clock::Real().Now() + options.body_timeout;
    if (options.decompress_request) {
      // Of all lines: with a coding below or above gzip the body is not for us to decode.
      const std::string coding = head.headers().GetJoined("Content-Encoding");
      // x-gzip: RFC 9110 8.4.1.3.
      if (EqualsIgnoreCase(coding, "gzip") || EqualsIgnoreCase(coding, "x-gzip")) {
        gzip_ = std::make_unique<GzipDecompressor>();
        parser_->mutable_head().mutable_headers().Rename("Content-Encoding",
                                                         "X-Consumed-Content-Encoding");
      }
    }
  }
  if (options.xheaders && HasXHeaders(head.headers()) && core_.BelievesFieldsOf(peer_)) {
    auto client = std::make_unique<ForwardedClient>();
    client->remote_ip = std::string(remote_ip());
    client->protocol = std::string(protocol());
    ApplyXHeaders(head.headers(), core_.trusted(), *client);
    forwarded_ = std::move(client);
  }
  // Not the loop's time, which is as old as the handlers of this turn took.
  begun_ = Clock::Real().Now();
  core_.stats().RequestStarted(head.method(), head.target(), begun_);
  if (head.target().front() != '/' && AnswerItself(head)) return;
  Guarded("StartRequest", [this] { delegate_ = core_.app().StartRequest(*this); });
  if (delegate_ == nullptr || encoder_.ended()) return;
  Guarded("HeadersReceived", [this] { delegate_->HeadersReceived(); });
}

// The connection has served as many requests, or for as long, as one may.
bool Http1Connection::UsedUp() const {
  const HttpServerOptions& options = core_.options();
  return (options.max_keep_alive_requests > 0 && requests_ >= options.max_keep_alive_requests) ||
         core_.loop().Now() >= old_at_;
}

bool Http1Connection::MayKeepAlive(const RequestHead& head) const {
  const HttpServerOptions& options = core_.options();
  if (!head.keep_alive() || options.no_keep_alive || UsedUp()) return false;
  // RFC 9112 6.1: a chunked body from a client of HTTP/1.0 is faulty framing, for what stands
  // between may have passed on the octets behind it as something else.
  return head.version_minor() > 0 || head.framing() != BodyFraming::kChunked ||
         options.http10_chunked_keep_alive;
}

// What is not about a resource of the application. True when nothing is left for the delegate.
bool Http1Connection::AnswerItself(const RequestHead& head) {
  if (EqualsIgnoreCase(head.scheme(), "https") && !EqualsIgnoreCase(protocol(), "https")) {
    // RFC 9110 7.4: a secured resource must not be served over a connection that is not.
    Refuse(421, "an https target over a connection that is not secured");
    return true;
  }
  if (head.path() != "*") return false;
  // OPTIONS for the server as a whole, RFC 9110 9.3.7: "a ping or no-op".
  FinishWith(ResponseHead(), "").IgnoreError();
  ReportOwnAnswer();
  return true;
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
  // Until it has read the answer that says so, such a client may send the next request.
  const bool client_keeps = parser_->head().keep_alive();
  if (read) {
    parser_->StartNextMessage();
    parser_fresh_ = true;
  }
  if (take_over_ != nullptr) return EndHttp();
  if (!close) return;
  // What a client sends in pieces may go on, though it has announced its last request.
  const bool unread =
      !read || !input_.empty() || maybe_unread_ || client_keeps || request_in_pieces_;
  if (parser_fresh_) core_.ReturnParser(std::move(parser_));
  EndConnection(unread ? End::kLinger : End::kClose);
}

void Http1Connection::Refuse(int status, std::string_view why) {
  LOG(INFO) << "Refused a request from " << peer_ << " with " << status << ": " << why;
  if (encoder_.begun() && in_exchange_) {
    Close(absl::AbortedError(ToAbsl(why)));
    return;
  }
  // Also when the rest of the request line was too long, or wrong (RFC 9110 9.3.2).
  const bool method_is_head = parser_ != nullptr && parser_->head().method() == "HEAD";
  const bool answers_request = in_exchange_;
  // First, for who is told of it below asks what was sent.
  encoder_.Start({.http11 = true, .keep_alive = false, .method_is_head = method_is_head});
  AppendErrorAnswer(status);
  if (in_exchange_) {
    const bool has_delegate = delegate_ != nullptr;
    GiveUpExchange(status);
    if (!has_delegate) ReportOwnAnswer();
    if (state_ != State::kServing) return;
  } else {
    core_.stats().Refused(status);
    ReportOwnAnswer();
  }
  if (answers_request) AnswerEnds();
  EndConnection(End::kLinger);
}

// `status`: that of the connection's own answer, or 0.
void Http1Connection::GiveUpExchange(int status) {
  in_exchange_ = message_complete_ = message_read_ = false;
  core_.stats().RequestEnded(status);
  if (delegate_ == nullptr) return;
  refused_status_ = status;
  Guarded("OnConnectionClose", [this] { delegate_->OnConnectionClose(); });
  refused_status_ = 0;
  delegate_.reset();
}

void Http1Connection::ReportOwnAnswer() {
  ServerAnswer answer = {.status = encoder_.status(), .remote_ip = remote_ip()};
  if (!encoder_.body_suppressed()) answer.body_bytes = encoder_.body_bytes();
  if (parser_ != nullptr && parser_->has_request_line()) {
    const RequestHead& head = parser_->head();
    answer.method = head.method();
    answer.target = head.target();
    answer.version = head.version();
    answer.headers = &head.headers();
  }
  Guarded("OnServerAnswer", [&] { core_.app().OnServerAnswer(answer); });
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
