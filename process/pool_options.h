// What the supervisor's core is told once, at its start.
//
//   PoolOptions options{.desired = 4, .max_workers = 64};
//   RETURN_IF_ERROR(Validate(options));
//   PoolState pool(options, seed);
#ifndef SQUALL_PROCESS_POOL_OPTIONS_H_
#define SQUALL_PROCESS_POOL_OPTIONS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/process/backoff.h"
#include "squall/process/drain.h"
#include "squall/process/restart_options.h"

namespace squall {

// The circuit breaker of one slot: more than `deaths` unrequested deaths inside `window` open it,
// the slot is FAILED and costs nothing. After `cool_down` one trial worker is started; if that dies
// before it was healthy (BackoffOptions::healthy_after), the breaker opens again at once, else all
// is forgotten. So a slot is never lost for good.
struct BreakerOptions {
  int deaths = 10;
  absl::Duration window = absl::Minutes(5);
  absl::Duration cool_down = absl::Minutes(5);
};

struct PoolOptions {
  int desired = 1;       // Workers to start with, 0 … max_workers.
  int max_workers = 64;  // Slots; no resize goes beyond it.
  // Rows for a second process of a slot while it is handed over, beside max_workers.
  int surge_slots = 1;
  // A worker that did not say READY this long after its start is killed; that death counts.
  absl::Duration boot_timeout = absl::Seconds(60);
  DrainOptions drain{};
  BackoffOptions backoff{};
  BreakerOptions breaker{};
  RestartOptions restart{};
  // Tornado's limit: that many unrequested deaths of the whole pool over its whole life are
  // answered by a restart, the next one stops every worker and the master exits 1. When it is set
  // the breaker stays closed, for a slot that waits out its cool-down would keep the limit from
  // being reached.
  std::optional<int> max_restarts{};
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what
// would be right.
absl::Status Validate(const PoolOptions& options);

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_OPTIONS_H_
