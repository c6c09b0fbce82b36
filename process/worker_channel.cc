#include "squall/process/worker_channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>

#include "squall/base/status.h"

namespace squall::internal {

WorkerPacket DrainPacket(const DrainRequest& request, MonotonicTime asked_at) {
  WorkerPacket packet;
  packet.type = WorkerPacketType::kDrain;
  packet.pool_ends = request.pool_ends ? 1 : 0;
  packet.term_at_ns = (asked_at + request.grace).nanos();
  packet.idle_close_at_ns = (asked_at + request.idle_close_after).nanos();
  return packet;
}

DrainRequest DrainRequestOf(const WorkerPacket& packet, MonotonicTime now) {
  const auto left = [now](int64_t nanos) {
    return std::max(MonotonicTime::FromNanos(nanos) - now, absl::ZeroDuration());
  };
  return {.grace = left(packet.term_at_ns),
          .idle_close_after = left(packet.idle_close_at_ns),
          .pool_ends = packet.pool_ends != 0};
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeWorkerChannel() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return StatusFromErrno(errno, "cannot make the channel of a worker (socketpair)");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

ChannelWrite SendPacket(int fd, const WorkerPacket& packet, std::string_view text) {
  WorkerPacket copy = packet;
  iovec parts[] = {{&copy, sizeof copy}, {const_cast<char*>(text.data()), text.size()}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = text.empty() ? 1 : 2;
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  // A packet is sent whole or not at all.
  if (sent >= 0) return ChannelWrite::kSent;
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return ChannelWrite::kFull;
    default:
      return ChannelWrite::kGone;
  }
}

ChannelRead ReceivePacket(int fd, WorkerPacket& packet, std::string* text) {
  char buffer[kMaxWorkerMessage];
  iovec parts[] = {{&packet, sizeof packet}, {buffer, sizeof buffer}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  ssize_t received;
  do {
    received = recvmsg(fd, &message, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received == 0) return ChannelRead::kEndOfFile;
  if (received < 0) {
    // ECONNRESET: the peer died with packets of ours unread.
    return errno == EAGAIN ? ChannelRead::kNothing : ChannelRead::kEndOfFile;
  }
  if (received < static_cast<ssize_t>(sizeof packet)) return ChannelRead::kNothing;
  const size_t rest = static_cast<size_t>(received) - sizeof packet;
  switch (packet.type) {
    case WorkerPacketType::kMessage:
      if (text == nullptr) return ChannelRead::kNothing;
      text->assign(buffer, rest);
      return ChannelRead::kPacket;
    case WorkerPacketType::kReady:
    case WorkerPacketType::kDrain:
    case WorkerPacketType::kLeader:
    case WorkerPacketType::kReopenLog:
      return rest == 0 ? ChannelRead::kPacket : ChannelRead::kNothing;
  }
  return ChannelRead::kNothing;
}

}  // namespace squall::internal
