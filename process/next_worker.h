// Internal: what a program that changes its workers' settings while it runs tells the master.
//
//   options.hooks.before_fork = [&](const WorkerIdentity& next) {
//     internal::SetWorkerSettings(SettingsOf(next.generation));
//   };
//
// In the master, in its hooks; a CHECK failure elsewhere.
#ifndef SQUALL_PROCESS_NEXT_WORKER_H_
#define SQUALL_PROCESS_NEXT_WORKER_H_

#include <cstdint>

#include "squall/process/worker_settings.h"

namespace squall::internal {

// The workers that are forked from now on get these settings in the place of ForkOptions::worker.
void SetWorkerSettings(const ResolvedWorkerSettings& settings);

// The generation of the workers that serve; while a restart runs, the one that comes back if it
// fails. Only these two are forked.
uint64_t ServingGeneration();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_NEXT_WORKER_H_
