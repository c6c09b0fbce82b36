// Exceptions that a handler may throw to end its request with an error page. The library itself
// throws nothing: handlers that prefer values return an absl::Status instead (status_to_http.h).
//
//   void Get(int id) {
//     if (id > kLast) throw squall::HttpError(404, absl::StrCat("no item ", id));
//     Write(Find(id));
//   }
//
// Thrown out of Prepare(), a verb, or DataReceived(); the framework catches it, logs it as a
// warning and answers through WriteError(). Tornado's HTTPError and Finish.
#ifndef SQUALL_WEB_HTTP_ERROR_H_
#define SQUALL_WEB_HTTP_ERROR_H_

#include <exception>
#include <string>
#include <utility>

namespace squall {

class HttpError : public std::exception {
 public:
  // `status` is the HTTP status of the answer. `log_message` goes to the log only, never to the
  // client. `reason` is the reason phrase; empty means the standard one, or "Unknown".
  explicit HttpError(int status, std::string log_message = "", std::string reason = "")
      : status_(status), log_message_(std::move(log_message)), reason_(std::move(reason)) {}

  int status() const { return status_; }
  const std::string& log_message() const { return log_message_; }
  const std::string& reason() const { return reason_; }
  const char* what() const noexcept override { return log_message_.c_str(); }

 private:
  int status_;
  std::string log_message_;
  std::string reason_;
};

// Ends the request without an error: what was written so far is the answer. For leaving a deep call
// early, for instance after Redirect().
class FinishRequest : public std::exception {
 public:
  const char* what() const noexcept override { return "request finished"; }
};

}  // namespace squall

#endif  // SQUALL_WEB_HTTP_ERROR_H_
