// How the number of workers follows the load; see autoscaler.h for what is done when.
//
//   AutoscalerOptions options{.mode = AutoscalerMode::kSpare, .min_workers = 2, .max_workers = 32};
//   RETURN_IF_ERROR(Validate(options));
#ifndef SQUALL_PROCESS_AUTOSCALER_OPTIONS_H_
#define SQUALL_PROCESS_AUTOSCALER_OPTIONS_H_

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

enum class AutoscalerMode {
  kStatic,   // Never: the target is the operator's.
  kSpare,    // By idle workers, as php-fpm and httpd. For handlers that block.
  kBacklog,  // By connections that wait to be accepted. TCP listeners only.
  kCpu,      // By the workers' processor time. For handlers that compute or wait without blocking.
};

// "static", "spare", "backlog", "cpu".
std::string_view AutoscalerModeName(AutoscalerMode mode);

struct AutoscalerOptions {
  AutoscalerMode mode = AutoscalerMode::kStatic;
  // The target stays between these. Unset: PoolOptions::max_workers, which is the bound anyway.
  int min_workers = 1;
  std::optional<int> max_workers{};

  // kSpare: the number of idle workers is kept between these.
  int min_spare = 1;
  int max_spare = 4;
  // kBacklog: so many connections may wait at a listener.
  int backlog_target = 4;
  // kCpu: the mean share of a processor that the workers use is kept between these.
  double cpu_low = 0.3;
  double cpu_high = 0.7;

  // Between two looks at the pool; each is a tick.
  absl::Duration interval = absl::Seconds(1);
  // There must have been too many workers for this long before one is stopped, and longer where a
  // cut had to be undone before.
  absl::Duration scale_down_hold = absl::Seconds(30);
  // Workers that are started in one tick: 1, 2, 4, … up to this, as long as there are too few.
  int max_spawn_rate = 32;
  // Decisions are made and told, and not carried out.
  bool dry_run = false;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense.
absl::Status Validate(const AutoscalerOptions& options);

}  // namespace squall

#endif  // SQUALL_PROCESS_AUTOSCALER_OPTIONS_H_
