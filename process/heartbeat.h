// How often a worker's loop says that it runs, and from when on its silence means something.
//
//   if (IsStale(row.heartbeat(), now)) LookCloser();
//
// Pure. Any process, any thread.
#ifndef SQUALL_PROCESS_HEARTBEAT_H_
#define SQUALL_PROCESS_HEARTBEAT_H_

#include "absl/time/time.h"
#include "squall/base/clock.h"

namespace squall {

inline constexpr absl::Duration kHeartbeatInterval = absl::Milliseconds(500);

// A worker that was silent for longer has missed a heartbeat, as one that is stopped does at once.
inline constexpr absl::Duration kLateHeartbeat = absl::Milliseconds(750);

// A worker that was silent for longer does not run its loop at present: two heartbeats are missing.
inline constexpr absl::Duration kStaleHeartbeat = absl::Milliseconds(1250);

// `heartbeat` as in WorkerRow::heartbeat: Infinite(), which is not stale, before the first one.
inline bool IsStale(MonotonicTime heartbeat, MonotonicTime now) {
  return now - heartbeat > kStaleHeartbeat;
}

}  // namespace squall

#endif  // SQUALL_PROCESS_HEARTBEAT_H_
