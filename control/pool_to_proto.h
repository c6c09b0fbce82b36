// The pool as its scoreboard has it, in the words of squall.control.v1.
#ifndef SQUALL_CONTROL_POOL_TO_PROTO_H_
#define SQUALL_CONTROL_POOL_TO_PROTO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "squall/base/clock.h"
#include "squall/control/v1/control.pb.h"
#include "squall/process/pool_snapshot.h"

namespace squall::internal {

// One moment on both clocks: the scoreboard is on the monotonic one, the API says wall time.
struct Moment {
  MonotonicTime monotonic;
  absl::Time wall;
};
Moment RightNow();

// A READY worker whose loop has not run for longer is shown as STALLED.
inline constexpr absl::Duration kStalledAfter = absl::Seconds(5);

control::v1::Pool PoolToProto(const PoolSnapshot& snapshot, const Moment& now);
control::v1::Worker WorkerToProto(const WorkerSnapshot& worker, const Moment& now);

std::string InstanceIdToString(uint64_t instance_id);

// "INSTANCE-GENERATION"; opaque for clients.
std::string MakeEtag(uint64_t instance_id, uint64_t generation);

struct Etag {
  uint64_t instance_id = 0;
  uint64_t generation = 0;
};
// nullopt for what MakeEtag cannot have made.
std::optional<Etag> ParseEtag(std::string_view text);

void ToProto(absl::Duration duration, google::protobuf::Duration* out);
void ToProto(absl::Time time, google::protobuf::Timestamp* out);
absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& time);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_POOL_TO_PROTO_H_
