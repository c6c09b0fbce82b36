// Pre-fork serving: one call turns a program into a supervised pool of workers (Tornado's
// process.fork_processes).
//
//   auto sockets = squall::BindSockets(8090).value();
//   squall::ForkProcesses(2).value();             // returns in the workers
//   squall::Application app{{"/", squall::Handler<MainHandler>()}};
//   squall::HttpServer server(app);
//   server.AddSockets(std::move(sockets));
//   squall::IOLoop::Current().Start();
//
// The calling process becomes the master and never returns from the call: it forks the workers,
// replaces those that die (with back-off), resizes and drains the pool, and exits when it is done.
//
// What ends a worker, and what the master does (Tornado's contract, tornado/process.py):
//   - exit status 0 without a request: done, not replaced; when all ended so, the master exits 0;
//   - another status, or a signal: replaced with the same task id, after a back-off that grows from
//     0 over 100 ms to 30 s and is forgotten after a healthy minute;
//   - a stop that the master asked for (shrink, shutdown) is no crash, whatever the status.
// docs/worker-lifecycle.md has the states and times, docs/tornado-compat.md the differences.
//
// Signals to the master: TERM and QUIT drain every worker and exit 0; INT, and a second TERM or
// QUIT, end them at once; HUP replaces every worker, a quarter of them at a time (RestartOptions),
// and keeps the old ones if the new ones do not become healthy; TTIN and TTOU add and remove one
// worker; USR1 reopens the log file. Under systemd (Type=notify) the master says READY, RELOADING,
// STOPPING and its status, and feeds the watchdog. As process 1 of a container it reaps orphans.
// When the master dies, the workers finish what is in flight and end (OnSupervisorExit).
#ifndef SQUALL_PROCESS_FORK_H_
#define SQUALL_PROCESS_FORK_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/hooks.h"
#include "squall/process/pool_options.h"
#include "squall/process/recycle.h"
#include "squall/process/sidecar.h"
#include "squall/process/watchdog_options.h"
#include "squall/process/worker.h"
#include "squall/process/worker_settings.h"

namespace squall {

struct ForkOptions {
  // The pool can be resized up to this many workers; the memory for their counters is reserved at
  // the start. 0: 64, or num_processes if that is more.
  int max_workers = 0;

  // Places for processes beside max_workers, used while a restart or a recycle has both a worker
  // and its successor alive; RestartOptions::max_surge cannot go beyond it. Reserved at the start, too.
  int surge_slots = 16;

  // Tornado's limit: with it, the (n+1)th unrequested death in the life of the pool stops every
  // worker and the master exits 1. Unset: no limit, `breaker` parks a slot that keeps dying.
  std::optional<int> max_restarts = {};

  // A worker that did not say READY by then is killed, and its death counts as a crash at boot. An
  // IOLoop says READY when it runs; a worker without a loop calls Worker::NotifyReady(). Not
  // infinite, for a worker that hangs at its start must be found.
  absl::Duration boot_timeout = absl::Seconds(60);

  // How long a worker may take to stop, and what follows.
  DrainOptions drain = {};

  BackoffOptions backoff = {};
  BreakerOptions breaker = {};

  // How SIGHUP to the master replaces the workers.
  RestartOptions restart = {};

  OnSupervisorExit on_supervisor_exit = OnSupervisorExit::kDrain;

  // Which workers are warned of, and ended, because their loop does not run.
  WatchdogOptions watchdog = {};
  // When a worker is replaced because of its age, one slot at a time. Off by default.
  RecycleOptions recycle = {};
  // Who decides how many workers there are. Off by default: the operator alone.
  AutoscalerOptions autoscaler = {};
  // The listening sockets whose backlog the autoscaler looks at: ListenSocket::fd() of each. Not
  // owned; they stay open in the master.
  std::vector<int> listeners = {};

  // Limits, priority, CPUs, user and directory of each worker; applied after its fork.
  WorkerSettings worker = {};
  // Code of the program's at the turns of a worker's life.
  Hooks hooks = {};
  // Where the master's pid stands while it runs; empty: nowhere. See process/pid_file.h.
  std::string pid_file = {};
  // Where the log of all processes of the pool goes, instead of to the standard error of the
  // caller; reopened at SIGUSR1. Created for the user of the workers. See base/log_file.h.
  std::string log_file = {};

  // Called once, in the master, when all workers are READY for the first time. It must not block.
  absl::AnyInvocable<void(const PoolSnapshot&)> on_ready = {};
  // Called in the master whenever the set of slots changes in which a worker is READY, with all of
  // them, ascending. It must not block. ReusePortListeners::SetServing() is for it.
  absl::AnyInvocable<void(absl::Span<const int>)> on_serving = {};

  // A process beside the workers, e.g. the control plane (control/control_process.h).
  std::optional<Sidecar> sidecar = {};
};

// The number that ForkOptions::max_workers stands for: slots are 0 to that less one.
int MaxWorkers(int num_processes, const ForkOptions& options);

// OK, or INVALID_ARGUMENT with the first option that makes no sense for so many processes, its
// value and what would be right. For WorkerSettings, and for the directories of pid_file and
// log_file, also NOT_FOUND, PERMISSION_DENIED and what else stat(2) says. ForkProcesses refuses the
// same. Changes nothing; looks up the user and group of `options.worker`.
absl::Status Validate(int num_processes, const ForkOptions& options);

// Forks `num_processes` workers, or one per CPU (CpuCount()) if that is 0 or less. Call it in the
// main thread, after the sockets are bound and before anything makes threads or an IOLoop.
//
// Returns the task id, 0 to num_processes - 1, in each worker: at once, and again in each
// replacement, which gets the id of the worker that died. Does not return in the master. Before
// anything was forked it returns
//   FAILED_PRECONDITION  in a worker (it forked already), with more than one thread, or with an
//                        IOLoop made: each of them would be broken in the children;
//   INVALID_ARGUMENT     an option out of its range;
//   another code         what the system refused (descriptors, memory).
absl::StatusOr<int> ForkProcesses(int num_processes, ForkOptions options = {});

// This worker's task id; nothing outside a worker of ForkProcesses (tornado.process.task_id).
std::optional<int> TaskId();

}  // namespace squall

#endif  // SQUALL_PROCESS_FORK_H_
