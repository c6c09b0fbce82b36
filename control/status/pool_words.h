// Internal: what the pages of the status listener say of a pool, in one place, so that they agree.
//
//   const std::string why = Readiness(snapshot);   // "2 of 2 workers serve"
//   if (!IsServing(snapshot)) return Unavailable(why);
//
// Pure. Any thread.
#ifndef SQUALL_CONTROL_STATUS_POOL_WORDS_H_
#define SQUALL_CONTROL_STATUS_POOL_WORDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

// A worker is ready and the pool is not ending: new connections find somebody.
bool IsServing(const PoolSnapshot& snapshot);

// Why it is, or is not, without a point at its end.
std::string Readiness(const PoolSnapshot& snapshot);

// READY, and its loop has not run for 5 s, as in WORKER_STATE_STALLED.
bool IsStalled(const WorkerSnapshot& worker);

// Over all workers.
uint64_t RequestsInFlight(const PoolSnapshot& snapshot);

// Of the request begun last of those in flight; nullopt when there is none.
std::optional<absl::Duration> RequestAge(const WorkerSnapshot& worker, MonotonicTime now);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_POOL_WORDS_H_
