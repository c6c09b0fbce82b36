// What the gRPC service needs of the pool: reading it, and asking the master for a change. The
// control process stands on the scoreboard and the link to the master, tests on a fake.
//
//   struct OneWorker : squall::PoolReader {
//     squall::PoolSnapshot Read() override { return {.pool = {.desired = 1}}; }
//     …
//   };
#ifndef SQUALL_CONTROL_POOL_BACKEND_H_
#define SQUALL_CONTROL_POOL_BACKEND_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "squall/process/control_link.h"
#include "squall/process/event_log.h"
#include "squall/process/operation.h"
#include "squall/process/scoreboard.h"

namespace squall {

// Any thread may call, at any time; never waits for another process.
class PoolReader {
 public:
  virtual ~PoolReader() = default;
  virtual PoolSnapshot Read() = 0;
  // nullopt: there is none such, or it is forgotten.
  virtual std::optional<OperationView> FindOperation(uint64_t id) = 0;
  // The newest first.
  virtual std::vector<OperationView> ListOperations() = 0;
  // What happened. Valid as long as the reader.
  virtual const EventLog& events() = 0;
};

// Any thread may call; the sequence number is set here. `done` runs exactly once, in any thread,
// possibly before Send returns:
// with the master's answer, which may be a refusal (LinkReply::code), or with Unavailable when the
// master cannot be asked or does not answer within its deadline; it may have acted all the same.
class PoolCommander {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<LinkReply>)>;

  virtual ~PoolCommander() = default;
  virtual void Send(const LinkRequest& request, Done done) = 0;

  // Tells the master of a change that was refused here. It has no answer, and may be lost when the
  // master takes nothing.
  virtual void Report(const LinkRefusal& refusal) = 0;
};

}  // namespace squall

#endif  // SQUALL_CONTROL_POOL_BACKEND_H_
