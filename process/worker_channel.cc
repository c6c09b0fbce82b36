#include "squall/process/worker_channel.h"

#include <errno.h>
#include <sys/socket.h>

#include "squall/base/status.h"

namespace squall::internal {

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeWorkerChannel() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return StatusFromErrno(errno, "cannot make the channel of a worker (socketpair)");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

bool SendPacket(int fd, const WorkerPacket& packet) {
  ssize_t sent;
  do {
    sent = send(fd, &packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof packet);
}

ChannelRead ReceivePacket(int fd, WorkerPacket& packet) {
  ssize_t received;
  do {
    received = recv(fd, &packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
  } while (received < 0 && errno == EINTR);
  if (received == 0) return ChannelRead::kEndOfFile;
  if (received < 0) {
    // ECONNRESET: the peer died with packets of ours unread.
    return errno == EAGAIN ? ChannelRead::kNothing : ChannelRead::kEndOfFile;
  }
  if (received != static_cast<ssize_t>(sizeof packet)) return ChannelRead::kNothing;
  switch (packet.type) {
    case WorkerPacketType::kReady:
    case WorkerPacketType::kDrain:
    case WorkerPacketType::kLeader:
      return ChannelRead::kPacket;
  }
  return ChannelRead::kNothing;
}

bool PacketWaits(int fd) {
  char byte;
  return recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

}  // namespace squall::internal
