// What the services of all callers share in one control process.
#ifndef SQUALL_CONTROL_CONTROL_CORE_H_
#define SQUALL_CONTROL_CONTROL_CORE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/control/pool_backend.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// Who is at the other end of a connection, as the kernel said when it was accepted.
struct Caller {
  uid_t uid = 0;
  control::v1::Role role = control::v1::ROLE_UNSPECIFIED;
};

struct ControlLimits {
  int max_message_octets = 64 * 1024;
  int max_streams_per_connection = 64;
  int max_watches = 256;
  int max_waits = 1024;
  absl::Duration handshake_timeout = absl::Seconds(5);
  // A call that waits for the pool ends after this even if its caller has more patience.
  absl::Duration max_wait = absl::Hours(1);
  absl::Duration bookmark_interval = absl::Seconds(10);
  // A reader of events that takes no message for so long is cut.
  absl::Duration event_patience = absl::Seconds(10);
};

struct ControlCore {
  ControlCore(PoolReader& reader, PoolCommander& commander, SnapshotHub& hub)
      : reader(reader), commander(commander), hub(hub) {}

  PoolReader& reader;
  PoolCommander& commander;
  SnapshotHub& hub;
  ControlLimits limits;
  absl::Time started_at = absl::Now();

  std::atomic<uint64_t> refused_connections = 0;
  std::atomic<int> watches = 0;
  std::atomic<int> waits = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_CORE_H_
