#include "squall/process/worker_orders.h"

namespace squall::internal {

bool WorkerOrders::RevokeLeader() {
  const bool unsent_grant = leader_ == true;
  leader_ = unsent_grant ? std::nullopt : std::optional(false);
  return unsent_grant;
}

void WorkerOrders::Send(int fd) {
  const auto full = [&](const WorkerPacket& packet) {
    return SendPacket(fd, packet) == ChannelWrite::kFull;
  };
  if (leader_.has_value()) {
    WorkerPacket packet;
    packet.type = WorkerPacketType::kLeader;
    packet.leader = *leader_ ? 1 : 0;
    if (full(packet)) return;
    leader_.reset();
  }
  if (drain_.has_value()) {
    if (full(*drain_)) return;
    drain_.reset();
  }
  if (reopen_log_) {
    WorkerPacket packet;
    packet.type = WorkerPacketType::kReopenLog;
    if (full(packet)) return;
    reopen_log_ = false;
  }
}

}  // namespace squall::internal
