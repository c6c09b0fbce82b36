// What can be changed of a pool while it serves, and what it is now: deadlines, back-off, breaker,
// watchdog, recycling, autoscaler.
//
//   PoolConfig config = ConfigOf(pool.options(), watchdog, recycle, autoscaler);
//   config.drain.grace = absl::Seconds(10);
//   RETURN_IF_ERROR(Validate(config, pool.options()));
//
// What stands in no PoolConfig is fixed at the start: the number of slots is that of the rows in
// shared memory. See config_field.h for one field of it after the other.
#ifndef SQUALL_PROCESS_POOL_CONFIG_H_
#define SQUALL_PROCESS_POOL_CONFIG_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/process/autoscaler_options.h"
#include "squall/process/backoff.h"
#include "squall/process/drain.h"
#include "squall/process/pool_options.h"
#include "squall/process/recycle.h"
#include "squall/process/watchdog_options.h"

namespace squall {

// Trivially copyable: the scoreboard holds one.
struct PoolConfig {
  absl::Duration boot_timeout = PoolOptions().boot_timeout;
  DrainOptions drain{};
  BackoffOptions backoff{};
  BreakerOptions breaker{};
  WatchdogOptions watchdog{};
  RecycleOptions recycle{};
  AutoscalerOptions autoscaler{};
};

PoolConfig ConfigOf(const PoolOptions& pool, const WatchdogOptions& watchdog,
                    const RecycleOptions& recycle, const AutoscalerOptions& autoscaler);

// `pool` with the values of `config`.
PoolOptions WithConfig(const PoolConfig& config, const PoolOptions& pool);

// OK, or INVALID_ARGUMENT naming the first value that makes no sense, for itself or for `pool`,
// with what would be right. The sentence begins with the name of the field: "drain.grace must …".
absl::Status Validate(const PoolConfig& config, const PoolOptions& pool);

}  // namespace squall

#endif  // SQUALL_PROCESS_POOL_CONFIG_H_
