#include "squall/process/pool_config.h"

#include "absl/strings/str_cat.h"

namespace squall {

PoolConfig ConfigOf(const PoolOptions& pool, const WatchdogOptions& watchdog,
                    const RecycleOptions& recycle, const AutoscalerOptions& autoscaler) {
  return {.boot_timeout = pool.boot_timeout,
          .drain = pool.drain,
          .backoff = pool.backoff,
          .breaker = pool.breaker,
          .watchdog = watchdog,
          .recycle = recycle,
          .autoscaler = autoscaler};
}

PoolOptions WithConfig(const PoolConfig& config, const PoolOptions& pool) {
  PoolOptions options = pool;
  options.boot_timeout = config.boot_timeout;
  options.drain = config.drain;
  options.backoff = config.backoff;
  options.breaker = config.breaker;
  return options;
}

absl::Status Validate(const PoolConfig& config, const PoolOptions& pool) {
  for (const absl::Status& status : {Validate(WithConfig(config, pool)), Validate(config.watchdog),
                                     Validate(config.recycle), Validate(config.autoscaler)}) {
    if (!status.ok()) return status;
  }
  const AutoscalerOptions& autoscaler = config.autoscaler;
  if (autoscaler.min_workers > pool.max_workers) {
    return absl::InvalidArgumentError(
        absl::StrCat("autoscaler.min_workers must not be above max_workers (", pool.max_workers,
                     "), but is ", autoscaler.min_workers));
  }
  if (autoscaler.max_workers.value_or(0) > pool.max_workers) {
    return absl::InvalidArgumentError(
        absl::StrCat("autoscaler.max_workers must not be above max_workers (", pool.max_workers,
                     "), but is ", *autoscaler.max_workers));
  }
  return absl::OkStatus();
}

}  // namespace squall
