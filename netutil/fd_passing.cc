#include "squall/netutil/fd_passing.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"

namespace squall {
namespace {

struct ControlBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(kMaxPassedFds * sizeof(int))];
};

// Takes ownership of every descriptor in `message`.
std::vector<UniqueFd> AdoptFds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

absl::Status SendFds(int socket, absl::Span<const int> fds, std::string_view data) {
  if (data.empty() || data.size() > kMaxPassedData) {
    return absl::InvalidArgumentError(absl::StrCat("cannot send descriptors with ", data.size(),
                                                   " bytes of data; it must be 1 to ",
                                                   kMaxPassedData));
  }
  if (fds.size() > kMaxPassedFds) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot send ", fds.size(), " descriptors in one message; at most ", kMaxPassedFds));
  }
  iovec bytes = {const_cast<char*>(data.data()), data.size()};
  ControlBuffer control = {};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0)
    return StatusFromErrno(errno, absl::StrCat("cannot send ", fds.size(), " descriptors"));
  if (static_cast<size_t>(sent) != data.size()) {
    return absl::DataLossError(
        absl::StrCat("sent only ", sent, " of ", data.size(),
                     " bytes with the descriptors; the send buffer is too small"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ReceivedFds> ReceiveFds(int socket, size_t max_fds) {
  max_fds = std::min(max_fds, kMaxPassedFds);
  char buffer[kMaxPassedData];
  iovec bytes = {buffer, sizeof buffer};
  ControlBuffer control;
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  // Always room for all: what does not fit would be lost without a trace of how much it was.
  message.msg_controllen = sizeof control.bytes;
  ssize_t size;
  do {
    size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return StatusFromErrno(errno, "cannot receive descriptors");
  ReceivedFds received{.data = std::string(buffer, static_cast<size_t>(size)),
                       .fds = AdoptFds(message)};
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot receive all descriptors of a message: this process has room for ",
                     received.fds.size(), " only"));
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot receive a message with descriptors: it is longer than ", kMaxPassedData, " bytes"));
  }
  if (received.fds.size() > max_fds) {
    return absl::ResourceExhaustedError(
        absl::StrCat("received ", received.fds.size(),
                     " descriptors in one message; expected at most ", max_fds));
  }
  return received;
}

}  // namespace squall
