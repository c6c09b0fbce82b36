// The base class of handlers: Tornado's RequestHandler. handler.h tells how its subclasses are
// written and named in routes.
//
//   struct GreetingHandler : squall::RequestHandler {
//     void Get() {
//       SetHeader("Content-Type", "text/plain; charset=UTF-8");
//       Write("Hello, ");
//       Write(GetArgument("name", "world"));
//     }
//   };
//
// Life of a handler, one per request:
//   constructor, SetDefaultHeaders(), Initialize()   the head of the request is there
//   405 if the verb is missing, 400 for a broken form body or path
//   Prepare()                    may finish the answer, the verb is skipped then
//   the verb                     Get(), Post(), …; the answer is finished when it returns
//   OnFinish()                   the answer is on its way, nothing more can be written
// The answer's status and fields can be changed until it is flushed or finished. A returned error
// status, HttpError or any other exception ends in LogException() and SendError().
//
// A mistake in what a handler writes (a field value with a line break, an argument that is not
// UTF-8) does not throw: it is logged and makes the answer an error instead of what was written,
// see Fail().
//
// One thread: the loop's. A handler that runs as a coroutine lives until the coroutine ends, also
// when the client leaves before; what it writes is dropped then, and closed() is true.
#ifndef SQUALL_WEB_REQUEST_HANDLER_H_
#define SQUALL_WEB_REQUEST_HANDLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/httpserver/cookies.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/ioloop/frame_cache.h"
#include "squall/ioloop/task.h"
#include "squall/web/handler_ref.h"
#include "squall/web/path_args.h"
#include "squall/web/request.h"

namespace squall {

class Application;
class BodyEncoder;
class RequestHandler;
struct Settings;

namespace internal {
struct AnswerBuffers;
class CookieChanges;
class Exchange;
struct Route;
}  // namespace internal

// Why a request ended in an error, for LogException().
struct RequestError {
  int status = 500;
  std::string message;  // for the log
  std::string reason;   // reason phrase, empty for the standard one
  // A status or HttpError of the handler's own, an answer rather than a fault.
  bool expected = false;
};

// What Flush() returns: `co_await Flush()` waits until the client took enough to go on.
class [[maybe_unused]] FlushResult {
 public:
  explicit FlushResult(RequestHandler* handler) : handler_(handler) {}
  // Of the await: Unavailable when the client is gone.
  auto operator co_await() &&;

 private:
  RequestHandler* handler_;  // not owned
  std::optional<Task<absl::Status>> task_;
};

// As often made and destroyed as coroutine frames, so its memory is kept as theirs.
class RequestHandler : public internal::CachedFrame {
 public:
  RequestHandler();
  RequestHandler(const RequestHandler&) = delete;
  RequestHandler& operator=(const RequestHandler&) = delete;
  virtual ~RequestHandler();

  // ---- The request. Not in the constructor.
  const HttpRequest& request() const { return *request_; }
  const Application& application() const { return *application_; }
  const Settings& settings() const { return *settings_; }
  // The groups of the route's pattern, decoded.
  const PathArgs& path_args() const { return path_args_; }
  // The group of that name, (?P<name>...), decoded; nullopt if the pattern has none or it took no
  // part.
  std::optional<std::string_view> path_arg(std::string_view name) const;

  // What of a value's white space at both ends goes.
  enum class Strip { kSpace, kNothing };
  // The last value of an argument; of query and form body together the body's, as it comes behind.
  // White space around it is removed, control characters become spaces. InvalidArgument, which
  // answers 400 when it is returned, if the argument is missing or DecodeArgument() refuses it.
  absl::StatusOr<std::string> GetArgument(std::string_view name, Strip strip = Strip::kSpace);
  absl::StatusOr<std::string> GetQueryArgument(std::string_view name, Strip strip = Strip::kSpace);
  absl::StatusOr<std::string> GetBodyArgument(std::string_view name, Strip strip = Strip::kSpace);
  // The same with `fallback` for a missing one. Refused: Fail() with 400, returns `fallback`.
  std::string GetArgument(std::string_view name, std::string_view fallback,
                          Strip strip = Strip::kSpace);
  std::string GetQueryArgument(std::string_view name, std::string_view fallback,
                               Strip strip = Strip::kSpace);
  std::string GetBodyArgument(std::string_view name, std::string_view fallback,
                              Strip strip = Strip::kSpace);
  // All values in order, query before body. Values that are refused: Fail() with 400, left out.
  std::vector<std::string> GetArguments(std::string_view name, Strip strip = Strip::kSpace);
  std::vector<std::string> GetQueryArguments(std::string_view name, Strip strip = Strip::kSpace);
  std::vector<std::string> GetBodyArguments(std::string_view name, Strip strip = Strip::kSpace);

  std::optional<std::string> GetCookie(std::string_view name) const;
  // A cookie that SetSignedCookie() made, at most `max_age` old; nullopt for anything else.
  std::optional<std::string> GetSignedCookie(std::string_view name,
                                             absl::Duration max_age = absl::Hours(24 * 31)) const;
  // Which of the Settings::cookie_secrets signed it, whether it is good or not.
  std::optional<int> GetSignedCookieKeyVersion(std::string_view name) const;

  // Who makes the request: what GetCurrentUser() says, asked once, or what was set. nullopt: nobody
  // is logged in. See authenticated.h.
  const std::optional<std::string>& current_user();
  void set_current_user(std::optional<std::string> user) { current_user_ = std::move(user); }

  // ---- The answer.
  int status() const { return response_.status; }
  const std::string& reason() const { return response_.reason; }
  const HttpHeaders& response_headers() const { return response_.headers; }

  // `reason` empty: the standard phrase. One that may not stand in a status line becomes "Unknown".
  void SetStatus(int status, std::string_view reason = {});

  // Sets, adds, removes a field. A name that is no token, or a value with control characters:
  // Fail() with 500, for it may be a client's attempt to split the answer.
  void SetHeader(std::string_view name, std::string_view value);
  void AddHeader(std::string_view name, std::string_view value);
  void ClearHeader(std::string_view name);
  // The same for values that may be bad: InvalidArgument, and nothing changed.
  absl::Status TrySetHeader(std::string_view name, std::string_view value);
  absl::Status TryAddHeader(std::string_view name, std::string_view value);

  // A second cookie of the same name replaces the first. Bad octets in it: Fail() with 500.
  void SetCookie(std::string_view name, std::string_view value,
                 const SetCookieOptions& options = {});
  // Asks the client to forget the cookie; `options` must name its path and domain.
  void ClearCookie(std::string_view name, SetCookieOptions options = {});
  // The same for every cookie that the request has.
  void ClearAllCookies(const SetCookieOptions& options = {});
  // Signed with Settings::cookie_secret, or with the secret of Settings::key_version, in Tornado's
  // format 2. Without a secret: Fail() with 500.
  void SetSignedCookie(std::string_view name, std::string_view value,
                       const SetCookieOptions& options = {});

  // A token for forms, masked anew on each call and bound to the client by a cookie.
  std::string XsrfToken();
  // `<input type="hidden" name="_xsrf" value="..."/>` with the token.
  std::string XsrfFormHtml();

  // Forgets the status, the fields and the body written so far; the default fields are set again.
  void Clear();

  // Appends to the body; it leaves with Flush() or Finish(). After Finish(): an error in the log.
  void Write(std::string_view body);

  // Sends status, fields and body so far. Without Content-Length the body is chunked then. Does its
  // work at once; awaiting the result waits for the client.
  FlushResult Flush();

  // Completes the answer; done by itself when the verb returns. Without a Flush() before, it leaves
  // in one write, with Content-Length, and GET and HEAD with status 200 get an Etag, and 304 or 412
  // where If-None-Match or If-Match say so.
  void Finish();
  void Finish(std::string_view last_body);
  // Completes the answer with a part of a file as its whole body, see
  // HttpConnection::FinishWithFile(): never in memory whole, never compressed, without an automatic
  // Etag. After Write() or Flush(): an error in the log, and 500 if the head is not written.
  void FinishWithFile(FileRange body);
  // Whether a whole body of `size` octets, with the fields that the answer has now, would be
  // compressed for this client.
  bool WouldCompress(uint64_t size) const;

  // Completes the answer as a redirect to `url` (303 or 307 among others by `status`). After
  // Flush(): an error in the log.
  void Redirect(std::string_view url, int status = 302);

  // Replaces the answer by an error page through WriteError() and finishes. When the head is on its
  // way already, the connection is closed, so that the client can tell.
  void SendError(int status, std::string_view reason = {});

  // Makes the answer an error whatever is written from now on; the first one counts. `status` is
  // the HTTP status, `message` goes to the log.
  void Fail(int status, std::string message);

  bool finished() const { return finished_; }
  // The head of the answer was sent.
  bool head_written() const { return head_written_; }
  // The client is gone.
  bool closed() const { return closed_; }
  // Stop is requested when the client leaves before the answer is finished, behind
  // OnConnectionClose(), so that a wait ends with it:
  //   absl::Status found = co_await WithStop(stop_token(), Search());  // CANCELLED
  // Good for as long as the caller likes, in any thread; work in an executor may ask it.
  std::stop_token stop_token();

  // Limits of this request's body, in Prepare() of a handler with DataReceived().
  void SetMaxBodySize(uint64_t octets);
  void SetBodyTimeout(absl::Duration whole_body);

  // ---- What a subclass may override.
  // Fields that every answer of this handler has, also error pages.
  virtual void SetDefaultHeaders() {}
  virtual void OnFinish() {}
  // The client left before the answer was finished; only for handlers that wait (coroutines) or
  // receive their body in pieces. request() moves, see request.h.
  virtual void OnConnectionClose() {}
  // The text of an argument's octets, which are `value`; the default wants UTF-8 and takes it as it
  // is. An error answers 400 or what HttpStatusFromStatus() makes of it. For other charsets.
  virtual absl::StatusOr<std::string> DecodeArgument(std::string_view value, std::string_view name);
  // Who is logged in, by a signed cookie say; the default is nobody.
  virtual std::optional<std::string> GetCurrentUser() { return std::nullopt; }
  // Where Authenticated() sends who is not; the default is Settings::login_url.
  virtual std::string GetLoginUrl() const;
  // Writes the page of an error; the default is Tornado's `404: Not Found` page.
  virtual void WriteError(int status);
  // Logs what ended the request: expected errors with a message as warnings, others as errors.
  virtual void LogException(const RequestError& error);
  // The Etag of the body written, or "" for none. The default is MakeEtag().
  virtual std::string ComputeEtag();
  // False refuses the request with 403; only asked with Settings::xsrf_cookies, and not for GET,
  // HEAD and OPTIONS. The default wants `_xsrf`, X-XSRFToken or X-CSRFToken to match the cookie; it is
  // asked before the body when that cannot change its answer, an override never is.
  virtual bool CheckXsrfCookie();

 protected:
  // The body written and not flushed yet.
  const std::string& write_buffer() const { return write_buffer_; }
  // True if the request's If-None-Match matches the answer's Etag.
  bool EtagIsKnown() const;
  // No Etag is computed for this answer.
  void DisableAutomaticEtag() { automatic_etag_ = false; }

 private:
  friend class internal::Exchange;
  friend class internal::HandlerRef;
  friend class FlushResult;

  enum class Source { kQuery, kBody, kBoth };
  enum class SendWhat { kSoFar, kAll };

  absl::StatusOr<std::string> LastArgument(std::string_view name, Source source, Strip strip);
  std::string ArgumentOr(std::string_view name, std::string_view fallback, Source source,
                         Strip strip);
  std::vector<std::string> AllArguments(std::string_view name, Source source, Strip strip);

  // The client is gone, so nothing can be answered any more.
  void MarkClosed();
  void HandleError(const RequestError& error);
  void Send(SendWhat what, const FileRange* file = nullptr);
  bool compresses() const;
  void CompleteHead(SendWhat what, const FileRange* file);
  void ApplyAutomaticEtag();
  bool IfMatchFails();
  // The body of a GET is not known: this answers HEAD, by a Head() that made none.
  bool ContentIsUnknown() const;
  void RefusedHead(const absl::Status& why);
  static Task<absl::Status> Drained(internal::HandlerRef self);

  const Application* application_ = nullptr;  // not owned
  const Settings* settings_ = nullptr;        // not owned
  const internal::Route* route_ = nullptr;    // not owned, the application's
  internal::HandlerHost* host_ = nullptr;     // not owned; null when the connection is gone
  HttpConnection* connection_ = nullptr;      // not owned; null when finished or closed
  std::optional<HttpRequest> request_;
  PathArgs path_args_;
  std::unique_ptr<internal::AnswerBuffers> answer_;
  ResponseHead& response_;     // in answer_
  std::string& write_buffer_;  // in answer_
  std::unique_ptr<internal::CookieChanges> cookies_;
  std::unique_ptr<BodyEncoder> encoder_;  // null: the body is sent as written
  std::optional<RequestError> failure_;
  std::string xsrf_secret_;  // known once XsrfToken() was called
  int64_t xsrf_time_ = 0;
  std::optional<std::optional<std::string>> current_user_;  // known once it was asked for
  std::stop_source stop_{std::nostopstate};                 // made when somebody asks for its token
  int references_ = 0;  // the exchange, and each coroutine of this handler that runs
  bool head_written_ = false;
  bool finished_ = false;
  bool closed_ = false;
  bool error_page_ = false;  // what is written now is an error page
  bool automatic_etag_ = true;
};

inline auto FlushResult::operator co_await() && {
  task_ = RequestHandler::Drained(internal::HandlerRef(handler_));
  return std::move(*task_).operator co_await();
}

}  // namespace squall

#endif  // SQUALL_WEB_REQUEST_HANDLER_H_
