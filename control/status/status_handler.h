// Internal: what all answers of the status listener have in common: fields that keep browsers from
// doing more with them than showing them, and the refusal of a foreign Host.
//
//   struct ReadyHandler : StatusHandler {
//     using StatusHandler::StatusHandler;
//     void Get() { Answer(200, "ready: 2 of 2 workers serve"); }
//   };
#ifndef SQUALL_CONTROL_STATUS_STATUS_HANDLER_H_
#define SQUALL_CONTROL_STATUS_STATUS_HANDLER_H_

#include <string_view>

#include "squall/control/status/host_rule.h"
#include "squall/web/request_handler.h"

namespace squall::internal {

class StatusHandler : public RequestHandler {
 public:
  // Not owned.
  explicit StatusHandler(const HostRule* hosts) : hosts_(hosts) {}

  void SetDefaultHeaders() override;
  // 421 for a Host that is not of this listener.
  void Prepare();
  // One line of text.
  void WriteError(int status) override;

 protected:
  // The whole answer: one sentence as a line of text. 503 has Retry-After.
  void Answer(int status, std::string_view sentence);

 private:
  const HostRule* hosts_;
};

// For paths that nothing has.
struct NoSuchPage : StatusHandler {
  using StatusHandler::StatusHandler;
  void Get();
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_STATUS_HANDLER_H_
