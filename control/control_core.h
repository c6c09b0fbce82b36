// What the services of all callers share in one control process.
#ifndef SQUALL_CONTROL_CONTROL_CORE_H_
#define SQUALL_CONTROL_CONTROL_CORE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/control/control_limits.h"
#include "squall/control/pool_backend.h"
#include "squall/control/rate_limit.h"
#include "squall/control/snapshot_hub.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// What one caller uses, on all of its connections.
struct CallerUse {
  RateLimit changes;
  std::atomic<int> watches = 0;
  std::atomic<int> waits = 0;
};

// Who is at the other end of a connection, as the kernel or the certificate said when it was
// accepted.
struct Caller {
  // Of a caller with a certificate: kNoUid.
  uid_t uid = 0;
  control::v1::Role role = control::v1::ROLE_UNSPECIFIED;
  // "uid 1000", "uri:spiffe://example.org/deploy"
  std::string name = {};
  std::shared_ptr<CallerUse> use = std::make_shared<CallerUse>();

  bool has_certificate() const { return uid == kNoUid; }
  static constexpr uid_t kNoUid = static_cast<uid_t>(-1);
};

// Of the `most` places that all callers share: how many `caller` must leave for admins.
inline int ReservedFor(const Caller& caller, int most) {
  return caller.role == control::v1::ROLE_ADMIN ? 0 : (most + 7) / 8;
}

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

  // Counts a call that waits, of all and of its caller, until EndWait(). The limit, and nothing is
  // counted, when there are too many.
  std::optional<int> CountWait(CallerUse& use) {
    const bool too_many = waits.fetch_add(1) >= limits.max_waits;
    const bool too_many_of_caller = use.waits.fetch_add(1) >= limits.max_waits_per_caller;
    if (!too_many && !too_many_of_caller) return std::nullopt;
    EndWait(use);
    return too_many ? limits.max_waits : limits.max_waits_per_caller;
  }
  void EndWait(CallerUse& use) {
    waits.fetch_sub(1);
    use.waits.fetch_sub(1);
  }
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_CONTROL_CORE_H_
