// Internal: the packets on the socketpair between the master and one worker. The socketpair is the
// lifeline as well: end of file means that the other side is gone.
#ifndef SQUALL_PROCESS_WORKER_CHANNEL_H_
#define SQUALL_PROCESS_WORKER_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/process/drain.h"

namespace squall::internal {

enum class WorkerPacketType : uint32_t {
  kReady = 1,  // worker to master: the loop runs and the listeners are registered
  kDrain = 2,  // master to worker: finish what is in flight, then end
  // Master to worker: you have the leader role, or give it up. Worker to master: it is given up.
  kLeader = 3,
  kMessage = 4,    // master to worker: a Broadcast, its text follows the packet
  kReopenLog = 5,  // master to worker: the log file was moved away
};

// Both ends are of one binary image, so the layout needs no version.
struct WorkerPacket {
  WorkerPacketType type = WorkerPacketType::kReady;
  uint32_t pool_ends = 0;  // DrainRequest::pool_ends
  uint32_t leader = 0;     // kLeader to a worker: 1 when it has the role
  // kDrain, as MonotonicTime::nanos(): a worker whose handler blocks reads it late, and the time has
  // run since it was asked.
  int64_t term_at_ns = 0;
  int64_t idle_close_at_ns = 0;
};

// The order of a drain that was asked for at `asked_at`, and what is left of it `now`; never below
// zero.
WorkerPacket DrainPacket(const DrainRequest& request, MonotonicTime asked_at);
DrainRequest DrainRequestOf(const WorkerPacket& packet, MonotonicTime now);

// The longest text of a kMessage, in octets.
inline constexpr size_t kMaxWorkerMessage = 4096;

enum class ChannelWrite {
  kSent,
  kFull,  // the peer does not read; EPOLLOUT says when it has read
  kGone,  // the peer has closed its end or is dead
};
enum class ChannelRead { kPacket, kNothing, kEndOfFile };

// {master's end, worker's end}: SOCK_SEQPACKET, non-blocking, close-on-exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeWorkerChannel();

// Never blocks. `text` has at most kMaxWorkerMessage octets and goes with a kMessage alone.
ChannelWrite SendPacket(int fd, const WorkerPacket& packet, std::string_view text = {});

// Never blocks. A packet of a wrong size or type is dropped and reported as kNothing. `text` may be
// null for who gets no kMessage.
ChannelRead ReceivePacket(int fd, WorkerPacket& packet, std::string* text = nullptr);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_WORKER_CHANNEL_H_
