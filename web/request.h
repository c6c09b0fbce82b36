// The request as a handler sees it: Tornado's HTTPServerRequest.
//
//   void Get() {
//     Write("you are ");
//     Write(request().remote_ip());
//   }
//
// Views are valid as long as the handler lives, with one exception: in a coroutine, when the client
// leaves or the answer is finished while it is suspended, the request moves to storage of its own,
// and views taken before point nowhere. Copy what is needed across a co_await, or ask again after
// it. One thread: the loop's.
#ifndef SQUALL_WEB_REQUEST_H_
#define SQUALL_WEB_REQUEST_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/httpserver/cookies.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/request_head.h"
#include "squall/httpserver/url.h"
#include "squall/web/trace_context.h"

namespace squall {

class HttpConnection;
class Transport;

namespace internal {
class Exchange;
}  // namespace internal

class HttpRequest {
 public:
  // Internal: the framework makes it, of the head that `connection` has read.
  explicit HttpRequest(const HttpConnection& connection);
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;

  std::string_view method() const { return head_->method(); }
  // The target as received: path and query, nothing decoded.
  std::string_view uri() const { return head_->target(); }
  std::string_view path() const { return head_->path(); }
  std::string_view query() const { return head_->query(); }
  // "HTTP/1.1".
  std::string_view version() const { return head_->version(); }
  const HttpHeaders& headers() const { return head_->headers(); }
  const RequestHead& head() const { return *head_; }

  // The whole body; empty in handlers with DataReceived().
  const std::string& body() const { return body_; }

  // The client's address without a port, after xheaders; "0.0.0.0" on a unix socket.
  std::string_view remote_ip() const;
  // "http" or "https".
  std::string_view protocol() const;
  // What carries the octets: TlsTransport::From() of it knows the client's certificate. Null when
  // the client has left.
  const Transport* transport() const;

  // Host as the client sent it, with its port; "127.0.0.1" when an HTTP/1.0 client sent none.
  std::string_view host() const;
  // In lower case and without the port.
  std::string host_name() const;
  // "http://host/path?query".
  std::string FullUrl() const;
  // "/path?query", also when the target was an absolute one.
  std::string LocalUrl() const;

  // Pairs of the query, percent-decoded octets in order, blank values kept. Parsed on first use.
  const UrlArguments& query_arguments() const;
  // Pairs of a form body, urlencoded or multipart; empty for any other body.
  const UrlArguments& body_arguments() const { return form_.fields; }
  // Uploaded files of a multipart body; their contents are views of body().
  const std::vector<FormFile>& files() const { return form_.files; }

  // The client's cookies; of several with one name the last. Parsed on first use.
  const CookieMap& cookies() const;

  // X-Request-ID if it is valid (IsValidRequestId()), else a new one. Made on first use.
  const std::string& id() const;
  // This request's span in the trace of traceparent and tracestate, or in a new one. Made on first use.
  const TraceContext& trace() const;

  // Since the head arrived, monotonic.
  absl::Duration request_time() const;

 private:
  friend class internal::Exchange;

  // Parses a form body into arguments and files. InvalidArgument with the reason when it is broken.
  absl::Status ParseBody(const FormLimits& limits);
  // Copies what belongs to the connection, which is about to go.
  void Detach();

  const HttpConnection* connection_;  // not owned; null after Detach()
  const RequestHead* head_;           // not owned until Detach()
  std::unique_ptr<const RequestHead> own_head_;
  std::string own_remote_ip_;
  std::string own_protocol_;
  MonotonicTime start_;
  std::string body_;
  mutable std::optional<UrlArguments> query_arguments_;
  mutable std::optional<CookieMap> cookies_;
  mutable std::string id_;
  mutable std::unique_ptr<const TraceContext> trace_;
  FormData form_;
};

}  // namespace squall

#endif  // SQUALL_WEB_REQUEST_H_
