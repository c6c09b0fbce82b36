#include "squall/process/control_link.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <type_traits>

#include "squall/base/status.h"

namespace squall {
namespace {

// What the versions of the link agree on; another size is another kLinkVersion.
static_assert(kLinkVersion == 3 && sizeof(LinkRequest) == 544 && sizeof(LinkReply) == 312 &&
              sizeof(LinkRefusal) == 448);
static_assert(sizeof(LinkRequest::request_id) == kMaxRequestId + 1);

bool IsCommand(LinkCommand command) {
  switch (command) {
    case LinkCommand::kResize:
    case LinkCommand::kRestart:
    case LinkCommand::kDrainWorker:
    case LinkCommand::kKillWorker:
    case LinkCommand::kResetBreaker:
    case LinkCommand::kShutdown:
    case LinkCommand::kCancelOperation:
    case LinkCommand::kUpdate:
    case LinkCommand::kPing:
      return true;
  }
  return false;
}

template <typename Packet>
bool Send(int fd, const Packet& packet) {
  static_assert(std::is_trivially_copyable_v<Packet>);
  ssize_t sent;
  do {
    sent = send(fd, &packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof packet);
}

template <typename Packet>
Packet Copy(const char* bytes) {
  Packet packet;
  std::memcpy(&packet, bytes, sizeof packet);
  return packet;
}

template <size_t N>
void Terminate(char (&field)[N]) {
  field[N - 1] = '\0';
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeControlLink() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return StatusFromErrno(errno, "cannot make the control link (socketpair)");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

bool SendLink(int fd, const LinkRequest& packet) { return Send(fd, packet); }
bool SendLink(int fd, const LinkReply& packet) { return Send(fd, packet); }
bool SendLink(int fd, const LinkNotice& packet) { return Send(fd, packet); }
bool SendLink(int fd, const LinkRefusal& packet) { return Send(fd, packet); }

LinkRead ReceiveLink(int fd) {
  // More than any packet, so that one that is too long shows.
  char bytes[sizeof(LinkRefusal) + sizeof(LinkReply)];
  ssize_t received;
  do {
    received = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received == 0) return LinkEndOfFile{};
  if (received < 0) {
    if (errno == EAGAIN) return LinkNothing{};
    return LinkEndOfFile{};
  }
  const size_t size = static_cast<size_t>(received);
  if (size < sizeof(LinkHeader)) return LinkMalformed{};
  const auto header = Copy<LinkHeader>(bytes);
  if (header.version != kLinkVersion) return LinkMalformed{};
  switch (header.type) {
    case LinkPacketType::kRequest: {
      if (size != sizeof(LinkRequest)) return LinkMalformed{};
      auto request = Copy<LinkRequest>(bytes);
      if (!IsCommand(request.command)) return LinkMalformed{};
      Terminate(request.actor);
      Terminate(request.request_id);
      return request;
    }
    case LinkPacketType::kReply: {
      if (size != sizeof(LinkReply)) return LinkMalformed{};
      auto reply = Copy<LinkReply>(bytes);
      reply.message[sizeof reply.message - 1] = '\0';
      return reply;
    }
    case LinkPacketType::kNotice:
      if (size != sizeof(LinkNotice)) return LinkMalformed{};
      return LinkNotice{};
    case LinkPacketType::kRefusal: {
      if (size != sizeof(LinkRefusal)) return LinkMalformed{};
      auto refusal = Copy<LinkRefusal>(bytes);
      if (refusal.count == 0) return LinkMalformed{};
      Terminate(refusal.actor);
      Terminate(refusal.method);
      Terminate(refusal.reason);
      Terminate(refusal.message);
      return refusal;
    }
  }
  return LinkMalformed{};
}

}  // namespace squall
