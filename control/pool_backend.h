// What the gRPC service needs of the pool: reading it, and asking the master for a change. The
// control process stands on the scoreboard and the link to the master, tests on a fake.
//
//   struct OneWorker : squall::PoolReader {
//     squall::PoolSnapshot Read() override { return {.desired = 1, .ready = 1}; }
//   };
#ifndef SQUALL_CONTROL_POOL_BACKEND_H_
#define SQUALL_CONTROL_POOL_BACKEND_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "squall/process/control_link.h"
#include "squall/process/scoreboard.h"

namespace squall {

// Any thread may call, at any time; never waits for another process.
class PoolReader {
 public:
  virtual ~PoolReader() = default;
  virtual PoolSnapshot Read() = 0;
};

struct ResizeCommand {
  int32_t desired_workers = 0;       // absolute
  uint64_t expected_generation = 0;  // 0: whatever it is
  std::string request_id = {};       // at most 63 octets; empty: none
  bool validate_only = false;
  uid_t actor_uid = 0;  // who asked, for the master's log
};

// Any thread may call. `done` runs exactly once, in any thread, possibly before Resize returns:
// with the master's answer, which may be a refusal (LinkReply::code), or with Unavailable when the
// master cannot be asked or does not answer within its deadline; it may have acted all the same.
class PoolCommander {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<LinkReply>)>;

  virtual ~PoolCommander() = default;
  virtual void Resize(ResizeCommand command, Done done) = 0;
};

}  // namespace squall

#endif  // SQUALL_CONTROL_POOL_BACKEND_H_
