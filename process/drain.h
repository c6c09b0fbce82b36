// The one protocol by which a worker is asked to stop, whatever the reason (shrink, restart,
// shutdown): the deadlines the supervisor keeps, and what the worker is told.
//
//   ForkOptions options{.drain = {.grace = absl::Seconds(10)}};
#ifndef SQUALL_PROCESS_DRAIN_H_
#define SQUALL_PROCESS_DRAIN_H_

#include <optional>

#include "absl/time/time.h"

namespace squall {

struct DrainOptions {
  // From the request to stop until SIGTERM.
  absl::Duration grace = absl::Seconds(30);
  // Keep-alive connections that stayed silent are closed this long after the request; unset means
  // 0.8 × grace. Late, because a request may already be on its way on any of them.
  std::optional<absl::Duration> idle_close_after{};
  // From SIGTERM until SIGKILL, and between repeated SIGKILLs (a process in an uninterruptible
  // sleep dies late).
  absl::Duration kill_after = absl::Seconds(5);
};

// What a draining worker's handlers get to know. The times run from the request to stop: a worker
// that was busy and hears of it late is told what is left of them.
struct DrainRequest {
  // How long until SIGTERM.
  absl::Duration grace = absl::Seconds(30);
  // How long until silent keep-alive connections are closed.
  absl::Duration idle_close_after = absl::Seconds(24);
  bool supervisor_gone = false;  // The master died; nobody will send the signals.
  // No sibling stays to take what waits in the listeners' backlogs: take it before closing them.
  bool pool_ends = false;
};

// The request that goes with `options`.
inline DrainRequest MakeDrainRequest(const DrainOptions& options, bool pool_ends) {
  return {.grace = options.grace,
          .idle_close_after = options.idle_close_after.value_or(options.grace * 0.8),
          .pool_ends = pool_ends};
}

}  // namespace squall

#endif  // SQUALL_PROCESS_DRAIN_H_
