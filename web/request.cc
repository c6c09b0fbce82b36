#include "squall/web/request.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/cookies.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/httpserver/url.h"
#include "squall/web/trace_context.h"

namespace squall {

HttpRequest::HttpRequest(const HttpConnection& connection)
    : connection_(&connection), head_(&connection.head()), start_(connection.request_begun()) {}

void HttpRequest::Detach() {
  if (own_head_ != nullptr) return;
  own_remote_ip_ = std::string(connection_->remote_ip());
  own_protocol_ = std::string(connection_->protocol());
  connection_ = nullptr;
  own_head_ = std::make_unique<const RequestHead>(*head_);
  head_ = own_head_.get();
}

std::string_view HttpRequest::remote_ip() const {
  return connection_ != nullptr ? connection_->remote_ip() : own_remote_ip_;
}

std::string_view HttpRequest::protocol() const {
  return connection_ != nullptr ? connection_->protocol() : own_protocol_;
}

const Transport* HttpRequest::transport() const {
  return connection_ != nullptr ? connection_->transport() : nullptr;
}

std::string_view HttpRequest::host() const {
  const std::string_view host = head_->host();
  return host.empty() ? std::string_view("127.0.0.1") : host;
}

std::string HttpRequest::host_name() const { return HostName(host()); }

std::string HttpRequest::FullUrl() const {
  return absl::StrCat(ToAbsl(protocol()), "://", ToAbsl(host()), LocalUrl());
}

std::string HttpRequest::LocalUrl() const {
  // The absolute form has an authority of its own in front (RFC 9112 3.2.2).
  if (head_->scheme().empty()) return std::string(uri());
  std::string url(path());
  if (head_->has_query()) absl::StrAppend(&url, "?", ToAbsl(query()));
  return url;
}

const UrlArguments& HttpRequest::query_arguments() const {
  if (!query_arguments_.has_value()) query_arguments_ = ParseQuery(query());
  return *query_arguments_;
}

const CookieMap& HttpRequest::cookies() const {
  if (!cookies_.has_value()) {
    std::string joined;
    for (const std::string_view field : headers().GetAll("Cookie")) {
      absl::StrAppend(&joined, joined.empty() ? "" : "; ", ToAbsl(field));
    }
    cookies_ = ParseCookie(joined);
  }
  return *cookies_;
}

absl::Status HttpRequest::ParseBody(const FormLimits& limits) {
  if (body_.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(form_, ParseFormBody(headers(), body_, limits));
  return absl::OkStatus();
}

const std::string& HttpRequest::id() const {
  if (id_.empty()) {
    const std::string_view sent = headers().Get("X-Request-ID").value_or("");
    id_ = IsValidRequestId(sent) ? std::string(sent) : NewRequestId();
  }
  return id_;
}

const TraceContext& HttpRequest::trace() const {
  if (trace_ == nullptr) {
    auto sent = ParseTraceparent(headers().Get("traceparent").value_or(""));
    if (sent) sent->tracestate = ParseTracestate(headers().GetJoined("tracestate"));
    trace_ = std::make_unique<TraceContext>(sent ? sent->Child() : TraceContext::New());
  }
  return *trace_;
}

absl::Duration HttpRequest::request_time() const { return Clock::Real().Now() - start_; }

}  // namespace squall
