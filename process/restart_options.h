// How a rolling restart goes: every worker is replaced by a new one, a few at a time, and only
// while the new ones prove to be healthy.
//
//   PoolOptions options{.desired = 8, .restart = {.max_surge = 2, .soak = absl::Seconds(5)}};
//   pool.Step(RestartRequest{.actor = "signal HUP"}, clock.Now());
//
// A restart makes a generation. When workers of it die before all is done, the restart fails and
// the generation that served before stays, or comes back.
#ifndef SQUALL_PROCESS_RESTART_OPTIONS_H_
#define SQUALL_PROCESS_RESTART_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

// What becomes of the workers of a generation that failed.
enum class OnRestartFailure : uint8_t {
  kRollBack,  // They are replaced in the same way by workers of the generation before.
  kPause,     // They stay; those that were not replaced yet stay as well.
};

struct RestartOptions {
  // Processes beyond the target that may live at a time: successors, and predecessors that still
  // drain. With at least 1 the pool keeps its whole capacity. Unset: a quarter of the target,
  // rounded up, at least 1. Never more than PoolOptions::surge_slots.
  std::optional<int> max_surge{};
  // Workers that may be taken out before their successor is there.
  int max_unavailable = 0;
  // For READY of a new worker; unset: PoolOptions::boot_timeout.
  std::optional<absl::Duration> ready_timeout{};
  // No worker is taken out before its successor is there when fewer than this many would be READY
  // then; unset: the target less max_unavailable.
  std::optional<int> min_healthy{};
  // How long a new worker must stay READY before its predecessor is drained.
  absl::Duration soak = absl::ZeroDuration();
  // The how-manieth death of a new worker ends the restart.
  int max_failures = 3;
  OnRestartFailure on_failure = OnRestartFailure::kRollBack;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what
// would be right.
absl::Status Validate(const RestartOptions& options);

}  // namespace squall

#endif  // SQUALL_PROCESS_RESTART_OPTIONS_H_
