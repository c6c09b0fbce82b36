// Internal: turns a freshly forked child into a worker. Called by ForkProcesses alone.
#ifndef SQUALL_PROCESS_WORKER_SETUP_H_
#define SQUALL_PROCESS_WORKER_SETUP_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/process/hooks.h"
#include "squall/process/scoreboard.h"
#include "squall/process/worker.h"

namespace squall {

class WorkerSetup {
 public:
  int task_id = 0;
  int row = 0;
  uint64_t incarnation = 0;
  uint64_t generation = 0;
  UniqueFd channel;
  std::optional<Scoreboard> scoreboard;
  OnSupervisorExit on_supervisor_exit = OnSupervisorExit::kDrain;
  absl::Duration grace;
  absl::Duration kill_after;
  Hooks hooks;  // after_fork has run

  // Makes Worker::Current() of `setup` and has it join every loop that is started.
  static void BecomeWorker(WorkerSetup setup);
};

}  // namespace squall

#endif  // SQUALL_PROCESS_WORKER_SETUP_H_
