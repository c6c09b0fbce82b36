// Internal: / and /stream, the status page and what keeps it up to date.
#ifndef SQUALL_CONTROL_STATUS_PAGE_HANDLERS_H_
#define SQUALL_CONTROL_STATUS_PAGE_HANDLERS_H_

#include <memory>
#include <utility>

#include "squall/control/status/host_rule.h"
#include "squall/control/status/status_feed.h"
#include "squall/control/status/status_handler.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

class PageHandler : public StatusHandler {
 public:
  using StatusHandler::StatusHandler;

  void Get();
};

// An event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).
class StreamHandler : public StatusHandler {
 public:
  StreamHandler(const HostRule* hosts, std::shared_ptr<StatusFeed> feed)
      : StatusHandler(hosts), feed_(std::move(feed)) {}

  Task<> Get();
  // The head alone.
  void Head();

 private:
  std::shared_ptr<StatusFeed> feed_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_PAGE_HANDLERS_H_
