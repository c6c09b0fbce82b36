#include "squall/web/request_handler.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_status.h"
#include "squall/web/answer_buffers.h"
#include "squall/web/argument.h"
#include "squall/web/body_encoder.h"
#include "squall/web/cookie_changes.h"
#include "squall/web/etag.h"
#include "squall/web/handler_ref.h"
#include "squall/web/route_table.h"
#include "squall/web/settings.h"
#include "squall/web/signed_value.h"
#include "squall/web/xsrf.h"

namespace squall {

namespace {

constexpr std::string_view kServer = "squall/0.1";

// Copied for each answer, which is cheaper than to check and store them one by one.
const HttpHeaders& DefaultFields() {
  static const HttpHeaders* const fields = [] {
    auto* made = new HttpHeaders();
    made->Set("Server", kServer);
    made->Set("Content-Type", "text/html; charset=UTF-8");
    return made;
  }();
  return *fields;
}

}  // namespace

RequestHandler::RequestHandler()
    : answer_(internal::TakeAnswerBuffers()),
      response_(answer_->head),
      write_buffer_(answer_->body) {}
RequestHandler::~RequestHandler() { internal::ReturnAnswerBuffers(std::move(answer_)); }

namespace internal {

HandlerRef::HandlerRef(RequestHandler* handler) : handler_(handler) {
  if (handler_ != nullptr) ++handler_->references_;
}

HandlerRef::HandlerRef(HandlerRef&& other) noexcept
    : handler_(std::exchange(other.handler_, nullptr)) {}

HandlerRef& HandlerRef::operator=(HandlerRef other) noexcept {
  std::swap(handler_, other.handler_);
  return *this;
}

HandlerRef::~HandlerRef() {
  if (handler_ != nullptr && --handler_->references_ == 0) delete handler_;
}

}  // namespace internal

// ---- Status and fields.

void RequestHandler::SetStatus(int status, std::string_view reason) {
  response_.status = status;
  if (reason.empty()) {
    response_.reason.clear();  // the connection knows the standard phrase
  } else {
    response_.reason = IsValidReasonPhrase(reason) ? std::string(reason) : "Unknown";
  }
}

absl::Status RequestHandler::TrySetHeader(std::string_view name, std::string_view value) {
  if (response_.headers.Set(name, value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the field name or value is not allowed in HTTP: ", ToAbsl(name)));
}

absl::Status RequestHandler::TryAddHeader(std::string_view name, std::string_view value) {
  if (response_.headers.Add(name, value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the field name or value is not allowed in HTTP: ", ToAbsl(name)));
}

void RequestHandler::SetHeader(std::string_view name, std::string_view value) {
  if (const absl::Status status = TrySetHeader(name, value); !status.ok()) {
    Fail(500, std::string(ToStd(status.message())));
  }
}

void RequestHandler::AddHeader(std::string_view name, std::string_view value) {
  if (const absl::Status status = TryAddHeader(name, value); !status.ok()) {
    Fail(500, std::string(ToStd(status.message())));
  }
}

void RequestHandler::ClearHeader(std::string_view name) { response_.headers.Remove(name); }

void RequestHandler::Clear() {
  response_.headers = DefaultFields();
  if (settings().trace_requests) response_.headers.Set("X-Request-ID", request().id());
  SetStatus(200);
  write_buffer_.clear();
  SetDefaultHeaders();
}

// ---- Body and end.

void RequestHandler::Write(std::string_view body) {
  if (finished_) {
    LOG(ERROR) << "Write() after Finish(): " << body.size() << " octets dropped";
    return;
  }
  if (!closed_) write_buffer_.append(body);
}

FlushResult RequestHandler::Flush() {
  if (finished_) {
    LOG(ERROR) << "Flush() after Finish()";
  } else if (!closed_) {
    Send(SendWhat::kSoFar);
  }
  return FlushResult(this);
}

void RequestHandler::Finish(std::string_view last_body) {
  Write(last_body);
  Finish();
}

void RequestHandler::Finish() {
  if (finished_) {
    LOG(ERROR) << "Finish() called twice";
    return;
  }
  if (!closed_) Send(SendWhat::kAll);
}

void RequestHandler::FinishWithFile(FileRange body) {
  if (finished_ || head_written_ || !write_buffer_.empty()) {
    LOG(ERROR) << "FinishWithFile() after " << (finished_ ? "Finish()" : "Write() or Flush()");
    if (!finished_) SendError(500);
    return;
  }
  if (!closed_) Send(SendWhat::kAll, &body);
}

bool RequestHandler::compresses() const {
  return route_->options.compress_response.value_or(settings().compress_response);
}

bool RequestHandler::WouldCompress(uint64_t size) const {
  if (!compresses()) return false;
  const std::string accepted = request().headers().GetJoined("Accept-Encoding");
  return internal::ChooseCoding(settings().compression,
                                {.accept_encoding = accepted, .body_size = size, .whole = true},
                                response_.headers) != nullptr;
}

// `file`: the whole body, or null when that is in memory.
void RequestHandler::Send(SendWhat what, const FileRange* file) {
  if (failure_.has_value() && !head_written_ && !error_page_) {
    HandleError(*std::exchange(failure_, std::nullopt));
    return;
  }
  const bool last = what == SendWhat::kAll;
  const bool first = !head_written_;
  if (first && last && file == nullptr && IfMatchFails()) {
    SendError(412);
    return;
  }
  if (first) CompleteHead(what, file);
  if (encoder_ != nullptr) encoder_->Encode(write_buffer_, last);
  absl::Status sent;
  if (file != nullptr && !StatusHasNoBody(response_.status)) {
    sent = connection_->FinishWithFile(response_, *file);
  } else if (first && last && ContentIsUnknown()) {
    // Nor is its length, and 0 would be a false one (RFC 9110 8.6).
    sent = connection_->WriteHead(response_, {});
    if (sent.ok()) sent = connection_->Finish();
  } else if (first) {
    sent = last ? connection_->FinishWith(response_, write_buffer_)
                : connection_->WriteHead(response_, write_buffer_);
  } else {
    if (!write_buffer_.empty()) sent = connection_->Write(write_buffer_);
    if (last && sent.ok()) sent = connection_->Finish();
  }
  // Closed by the call itself: OnConnectionClose() has settled everything.
  if (closed_) return;
  if (!sent.ok() && first && (absl::IsInvalidArgument(sent) || absl::IsInternal(sent))) {
    RefusedHead(sent);
    return;
  }
  head_written_ = true;
  write_buffer_.clear();
  // The connection is about to say so: OnConnectionClose() settles it.
  if (!sent.ok() && absl::IsUnavailable(sent)) return;
  if (!sent.ok()) LOG(ERROR) << "answer broken off: " << sent;
  if (last || !sent.ok()) {
    finished_ = true;
    host_->AnswerSettled();
  }
}

void RequestHandler::RefusedHead(const absl::Status& why) {
  LOG(ERROR) << "the answer's head was refused: " << why;
  if (!error_page_) {
    SendError(500);
    return;
  }
  finished_ = true;
  connection_->FinishWithError(500, "Internal Server Error");
  host_->AnswerSettled();
}

void RequestHandler::CompleteHead(SendWhat what, const FileRange* file) {
  if (cookies_ != nullptr) cookies_->AddTo(response_.headers);
  if (response_.status == 401 && !settings().www_authenticate.empty() &&
      !response_.headers.Has("WWW-Authenticate")) {
    response_.headers.Set("WWW-Authenticate", settings().www_authenticate);
  }
  const bool whole = what == SendWhat::kAll && file == nullptr;
  if (whole && response_.status == 200 && automatic_etag_) ApplyAutomaticEtag();
  // Also of a 304, which must say what the 200 would (RFC 9110 15.4.5).
  if (compresses()) internal::VaryByEncoding(response_.headers);
  if (StatusHasNoBody(response_.status)) {
    if (!write_buffer_.empty()) {
      LOG(ERROR) << "an answer with status " << response_.status << " has no body; "
                 << write_buffer_.size() << " octets dropped";
      write_buffer_.clear();
    }
    for (const std::string_view name :
         {"Content-Type", "Content-Language", "Content-Encoding", "Content-Length"}) {
      response_.headers.Remove(name);
    }
  } else if (file == nullptr && compresses()) {
    encoder_ = internal::MakeBodyEncoder(
        settings().compression,
        {.accept_encoding = request().headers().GetJoined("Accept-Encoding"),
         .body_size = write_buffer_.size(),
         .whole = whole},
        response_.headers);
  }
}

void RequestHandler::ApplyAutomaticEtag() {
  const std::string_view method = request().method();
  if (method != "GET" && method != "HEAD") return;
  if (!response_.headers.Has("Etag")) {
    if (ContentIsUnknown()) return;
    const std::string etag = ComputeEtag();
    if (etag.empty()) return;
    if (!response_.headers.Set("Etag", etag)) return;
  }
  if (!EtagIsKnown()) return;
  if (WouldCompress(write_buffer_.size())) internal::WeakenEtag(response_.headers);
  write_buffer_.clear();
  SetStatus(304);
}

// RFC 9110 13.2.1: what can be evaluated has to be. An error page has the last word.
bool RequestHandler::IfMatchFails() {
  if (error_page_ || response_.status != 200 || !automatic_etag_) return false;
  const HttpHeaders& headers = request().headers();
  if (!headers.Has("If-Match")) return false;
  const std::string_view method = request().method();
  if (method != "GET" && method != "HEAD") return false;
  const std::optional<std::string_view> own = response_.headers.Get("Etag");
  if (!own.has_value() && ContentIsUnknown()) return false;
  const std::string etag = own.has_value() ? std::string(*own) : ComputeEtag();
  return !etag.empty() && !EtagMatchesStrongly(headers.GetJoined("If-Match"), etag, true);
}

bool RequestHandler::ContentIsUnknown() const {
  return write_buffer_.empty() && request().method() == "HEAD" && host_->HasOwnHead();
}

std::string RequestHandler::ComputeEtag() { return MakeEtag(write_buffer_); }

bool RequestHandler::EtagIsKnown() const {
  const HttpHeaders& headers = request().headers();
  if (!headers.Has("If-None-Match")) return false;
  const std::optional<std::string_view> etag = response_.headers.Get("Etag");
  return etag.has_value() && EtagMatches(headers.GetJoined("If-None-Match"), *etag);
}

void RequestHandler::Redirect(std::string_view url, int status) {
  if (head_written_ || finished_) {
    LOG(ERROR) << "Redirect() after the head was written";
    return;
  }
  if (status < 300 || status > 399) {
    Fail(500, absl::StrCat("Redirect() with status ", status, ", not 300 to 399"));
  }
  SetStatus(status);
  SetHeader("Location", url);
  if (!closed_) Finish();
}

// ---- Errors.

void RequestHandler::Fail(int status, std::string message) {
  if (error_page_) {
    LOG(ERROR) << "in an error page: " << message;
  } else if (!failure_.has_value()) {
    failure_ = RequestError{status, std::move(message), "", status < 500};
  }
}

std::stop_token RequestHandler::stop_token() {
  if (!stop_.stop_possible()) {
    stop_ = std::stop_source();
    if (closed_) stop_.request_stop();
  }
  return stop_.get_token();
}

void RequestHandler::MarkClosed() {
  closed_ = true;
  stop_.request_stop();
}

void RequestHandler::HandleError(const RequestError& error) {
  try {
    LogException(error);
  } catch (...) {
    LOG(ERROR) << "exception in LogException(), which was to log: " << error.message;
  }
  if (!finished_ && !closed_) SendError(error.status, error.reason);
}

void RequestHandler::SendError(int status, std::string_view reason) {
  if (finished_ || closed_) {
    LOG(ERROR) << "SendError(" << status << ") after the answer was finished";
    return;
  }
  if (head_written_) {
    LOG(ERROR) << "cannot send error " << status << ": the head is written; closing";
    finished_ = true;
    connection_->FinishWithError(500, "");
    host_->AnswerSettled();
    return;
  }
  const std::string own_reason(reason);  // may be a view of what Clear() drops
  const auto begin_page = [&] {
    Clear();
    SetStatus(status, own_reason);
    if (status == 405) SetHeader("Allow", host_->AllowedMethods());
  };
  error_page_ = true;
  try {
    begin_page();
    WriteError(status);
  } catch (...) {
    LOG(ERROR) << "exception in WriteError(" << status << ")";
    if (!finished_) {
      // Not Clear(): SetDefaultHeaders() may be what threw.
      response_.headers.Clear();
      write_buffer_.clear();
      SetStatus(status, own_reason);
    }
  }
  if (!finished_ && !closed_) Finish();
}

void RequestHandler::WriteError(int status) {
  const std::string_view reason =
      response_.reason.empty() ? ReasonPhrase(status) : std::string_view(response_.reason);
  const std::string title = absl::StrCat(status, ": ", ToAbsl(reason));
  // Not what SetDefaultHeaders() says of the handler's own answers.
  SetHeader("Content-Type", "text/html; charset=UTF-8");
  Finish(absl::StrCat("<html><title>", title, "</title><body>", title, "</body></html>"));
}

void RequestHandler::LogException(const RequestError& error) {
  if (error.expected) {
    if (error.message.empty()) return;
    LOG(WARNING) << error.status << " " << request().method() << " " << request().uri() << " ("
                 << request().remote_ip() << "): " << error.message;
  } else {
    LOG(ERROR) << "uncaught " << error.message << " in " << request().method() << " "
               << request().uri() << " (" << request().remote_ip() << ")";
  }
}

// ---- Streaming.

void RequestHandler::SetMaxBodySize(uint64_t octets) {
  if (connection_ != nullptr) connection_->SetMaxBodySize(octets);
}

void RequestHandler::SetBodyTimeout(absl::Duration whole_body) {
  if (connection_ != nullptr) connection_->SetBodyTimeout(whole_body);
}

Task<absl::Status> RequestHandler::Drained(internal::HandlerRef self) {
  // The connection's own task may outlive the exchange, so it is safe to wait for it here.
  if (self->connection_ == nullptr) {
    co_return self->closed_ ? absl::UnavailableError("the client is gone") : absl::OkStatus();
  }
  co_return co_await self->connection_->Drained();
}

}  // namespace squall
