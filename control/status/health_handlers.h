// Internal: /healthz and /readyz, for orchestrators and load balancers: a status and one sentence.
//
//   /healthz  200 when the control process and the master behind it answer. Restart it if not.
//   /readyz   200 when a worker is ready and the pool is not ending. Send no requests if not.
#ifndef SQUALL_CONTROL_STATUS_HEALTH_HANDLERS_H_
#define SQUALL_CONTROL_STATUS_HEALTH_HANDLERS_H_

#include "squall/control/pool_backend.h"
#include "squall/control/status/host_rule.h"
#include "squall/control/status/master_probe.h"
#include "squall/control/status/status_handler.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

class HealthHandler : public StatusHandler {
 public:
  // Not owned.
  HealthHandler(const HostRule* hosts, MasterProbe* master)
      : StatusHandler(hosts), master_(master) {}

  Task<> Get();

 private:
  MasterProbe* master_;
};

class ReadyHandler : public StatusHandler {
 public:
  // Not owned.
  ReadyHandler(const HostRule* hosts, PoolReader* reader) : StatusHandler(hosts), reader_(reader) {}

  void Get();

 private:
  PoolReader* reader_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_HEALTH_HANDLERS_H_
