// Internal: what the master has ordered one worker to do and could not send yet, because the worker
// does not read its channel (its handler blocks) and the channel is full. An order is never lost:
// it is sent as soon as there is room.
//
//   process.orders.Drain(packet);
//   process.orders.Send(process.channel.get());   // now, and whenever the channel takes more
//   if (process.orders.waiting()) WatchForRoom();
//
// Bounded: of each kind only the newest order counts, so that one of each is all that ever waits.
// The master's, in its one thread. Never blocks.
#ifndef SQUALL_PROCESS_WORKER_ORDERS_H_
#define SQUALL_PROCESS_WORKER_ORDERS_H_

#include <optional>

#include "squall/process/worker_channel.h"

namespace squall::internal {

class WorkerOrders {
 public:
  // `packet` is a kDrain. In place of one that waits: the newest says how long there is.
  void Drain(const WorkerPacket& packet) { drain_ = packet; }

  void GrantLeader() { leader_ = true; }
  // True when the grant was still waiting: the worker never had the role, and neither order is
  // sent. Else it answers that it has given the role up.
  bool RevokeLeader();

  void ReopenLog() { reopen_log_ = true; }

  // Sends what waits and fits. Should the worker be gone, nothing waits any more.
  void Send(int fd);

  bool waiting() const { return leader_.has_value() || drain_.has_value() || reopen_log_; }

 private:
  std::optional<bool> leader_;
  std::optional<WorkerPacket> drain_;
  bool reopen_log_ = false;
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_WORKER_ORDERS_H_
