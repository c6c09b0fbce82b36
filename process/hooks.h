// Code of the program's own at the turns of a worker's life.
//
//   squall::ForkOptions options;
//   options.hooks.before_fork = [](const squall::WorkerIdentity& next) {
//     LOG(INFO) << "starting worker " << next.task_id;
//   };
//   options.hooks.after_fork = [&](const squall::WorkerIdentity&) { return cache.Connect(); };
//   options.hooks.on_exit = [&] { cache.Flush(); };
//   squall::ForkProcesses(4, std::move(options)).value();
#ifndef SQUALL_PROCESS_HOOKS_H_
#define SQUALL_PROCESS_HOOKS_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "squall/process/drain.h"

namespace squall {

// Which worker it is. No two processes of a pool have the same task id and incarnation.
struct WorkerIdentity {
  int task_id = 0;
  uint64_t incarnation = 0;  // Which process of this task id: 1, 2, 3, …
  // Of the rolling restart that made it; 1 before the first one. Workers of one generation saw the
  // same on_reload.
  uint64_t generation = 0;
};

// Each may be null. The master must neither wait nor make threads in its hooks: while it does, no
// worker is supervised, and with a second thread it cannot fork any more.
struct Hooks {
  // In the master, before each fork of a worker.
  absl::AnyInvocable<void(const WorkerIdentity&)> before_fork = nullptr;
  // In the master, when it is asked for a rolling restart: the place to read configuration again,
  // which the new workers inherit. An error refuses the restart, and the old workers stay.
  absl::AnyInvocable<absl::Status()> on_reload = nullptr;

  // In the worker, before ForkProcesses returns there, as the user that WorkerSettings name. After
  // an error the worker exits 1, a boot failure with the error in the log.
  absl::AnyInvocable<absl::Status(const WorkerIdentity&)> after_fork = nullptr;
  // In the worker, on its loop: it has said READY, it is asked to drain.
  absl::AnyInvocable<void()> on_ready = nullptr;
  absl::AnyInvocable<void(const DrainRequest&)> on_drain = nullptr;
  // In the worker, when it ends by exit(3) or by returning from main; not when a signal ends it.
  absl::AnyInvocable<void()> on_exit = nullptr;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_HOOKS_H_
