// Internal: the HTTP side of the control process.
//
//   StatusServer status(
//       {.reader = &reader, .commander = &link, .counts = [&] { return Counts(core); }},
//       std::move(listener), options);
//   loop.Start();
//
// Belongs to the thread of the loop that is current when it is made. Whatever its clients do costs
// the control process time, and nobody else any: what it shows comes from the scoreboard, and the
// master is pinged twice a second at most.
#ifndef SQUALL_CONTROL_STATUS_STATUS_SERVER_H_
#define SQUALL_CONTROL_STATUS_STATUS_SERVER_H_

#include <functional>
#include <memory>

#include "squall/control/pool_backend.h"
#include "squall/control/status/answer_tally.h"
#include "squall/control/status/control_metrics.h"
#include "squall/control/status/host_rule.h"
#include "squall/control/status/master_probe.h"
#include "squall/control/status/metrics_handler.h"
#include "squall/control/status/status_feed.h"
#include "squall/control/status/status_options.h"
#include "squall/httpserver/httpserver.h"
#include "squall/netutil/sockets.h"
#include "squall/web/application.h"

namespace squall::internal {

// Not owned, and outlive the server.
struct StatusSources {
  PoolReader* reader = nullptr;
  PoolCommander* commander = nullptr;  // for pings
  std::function<ControlCounts()> counts = nullptr;
};

class StatusServer {
 public:
  // Serves on `listener` at once.
  StatusServer(StatusSources sources, ListenSocket listener, const StatusOptions& options);

  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

 private:
  const HostRule hosts_;
  MasterProbe master_;
  const std::shared_ptr<StatusFeed> feed_;
  AnswerTally tally_;
  MetricsSources metrics_;
  Application app_;
  HttpServer server_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_STATUS_SERVER_H_
