// When a worker whose loop does not run is warned of and when it is ended; see watchdog.h for what
// is told apart.
//
//   WatchdogOptions options{.stall_kill = absl::Minutes(1)};
//   RETURN_IF_ERROR(Validate(options));
#ifndef SQUALL_PROCESS_WATCHDOG_OPTIONS_H_
#define SQUALL_PROCESS_WATCHDOG_OPTIONS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

// Processor time comes in ticks of 10 ms, so that a tenth of a processor cannot be told from nothing
// in less than this.
inline constexpr absl::Duration kLeastWatchdogInterval = absl::Milliseconds(100);

struct WatchdogOptions {
  // How often the master looks.
  absl::Duration interval = absl::Seconds(1);
  // A worker that is silent for this long is worth a warning, one for each time it falls silent.
  // InfiniteDuration(): never, and then no stall is ended either.
  absl::Duration stall_warn = absl::Seconds(10);
  // A worker that kept its loop from running for this long is ended. Time in which the machine did
  // not run it, or the kernel did not let it go, is not counted. Off by default.
  absl::Duration stall_kill = absl::InfiniteDuration();
  // Ends a stalled worker (silent for stall_warn, that is) whose request began this long ago. Off
  // by default.
  absl::Duration request_timeout = absl::InfiniteDuration();
  // A worker that is stopped for this long is killed. Off by default, for debuggers' sake.
  absl::Duration stopped_kill = absl::InfiniteDuration();
  // From the SIGABRT, which may write a stack or a core, until SIGKILL.
  absl::Duration abort_grace = absl::Seconds(3);
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense.
absl::Status Validate(const WatchdogOptions& options);

}  // namespace squall

#endif  // SQUALL_PROCESS_WATCHDOG_OPTIONS_H_
