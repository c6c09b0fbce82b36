// A handler that answers every request, whatever its method, with one error page.
//
//   {"/gone/(.*)", squall::Handler<squall::ErrorHandler>(410)}
#ifndef SQUALL_WEB_ERROR_HANDLER_H_
#define SQUALL_WEB_ERROR_HANDLER_H_

#include "squall/web/request_handler.h"

namespace squall {

class ErrorHandler : public RequestHandler {
 public:
  static constexpr bool kAnswersAnyMethod = true;
  static constexpr bool kIgnoresBody = true;

  // `status` is an HTTP status from 400 to 599.
  explicit ErrorHandler(int status) : status_(status) {}
  void Prepare() { SendError(status_); }
  // What is not there needs no token.
  bool CheckXsrfCookie() override { return true; }

 private:
  int status_;
};

}  // namespace squall

#endif  // SQUALL_WEB_ERROR_HANDLER_H_
