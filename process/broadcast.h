// Messages from the master to all its workers. The master runs no code of the program but its hooks
// (process/hooks.h), so they are the place to send from.
//
//   // In the master, in a hook:
//   options.hooks.on_reload = [] { return squall::Broadcast("flush").status(); };
//   // In the workers:
//   squall::Worker::Current()->OnMessage([&](std::string_view message) { cache.Clear(); });
#ifndef SQUALL_PROCESS_BROADCAST_H_
#define SQUALL_PROCESS_BROADCAST_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/process/worker_channel.h"

namespace squall {

// The longest message, in octets.
inline constexpr size_t kMaxBroadcast = internal::kMaxWorkerMessage;

// Sends `message` to each worker that lives, and returns to how many. Each gets it once, on its
// loop, in the order of the calls. For a worker that does not read (its handler blocks) some dozens
// of messages wait; what comes then is lost for it, and it is not counted. The log tells of the
// first that is lost, and how many were when it reads again. Orders of the master (drain, leader
// role, reopened logs) are never lost for them. Never waits itself.
// FAILED_PRECONDITION: this process is no master. INVALID_ARGUMENT: the message is too long.
absl::StatusOr<int> Broadcast(std::string_view message);

}  // namespace squall

#endif  // SQUALL_PROCESS_BROADCAST_H_
