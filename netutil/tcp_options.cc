#include "squall/netutil/tcp_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

// MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT of Linux.
constexpr absl::Duration kMaxKeepaliveTime = absl::Seconds(32767);
constexpr int kMaxKeepaliveCount = 127;
// The kernel turns it into at most 255 retransmissions, 2 minutes apart.
constexpr absl::Duration kMaxDeferAccept = absl::Hours(1);
constexpr absl::Duration kMaxUserTimeout = absl::Milliseconds(std::numeric_limits<int>::max());
constexpr int kMaxBuffer = std::numeric_limits<int>::max() / 2;
constexpr int kMaxFastopenQueue = 65535;

absl::Status Bad(std::string_view option, std::string_view value, std::string_view right) {
  return absl::InvalidArgumentError(absl::StrCat("TcpOptions::", ToAbsl(option), " is ",
                                                 ToAbsl(value), "; it must be ", ToAbsl(right)));
}

absl::Status CheckSeconds(std::string_view option, absl::Duration value, absl::Duration least,
                          absl::Duration most) {
  if (value >= least && value <= most && absl::Trunc(value, absl::Seconds(1)) == value) {
    return absl::OkStatus();
  }
  return Bad(option, absl::FormatDuration(value),
             absl::StrCat("whole seconds from ", absl::FormatDuration(least), " to ",
                          absl::FormatDuration(most)));
}

absl::Status CheckNumber(std::string_view option, int value, int least, int most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(option, absl::StrCat(value), absl::StrCat(least, " to ", most));
}

bool IsTcp(int fd) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  // What is no socket at all is told by the first option.
  if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0) return true;
  return protocol == IPPROTO_TCP;
}

absl::Status Set(int fd, int level, int option, std::string_view name, int value) {
  if (::setsockopt(fd, level, option, &value, sizeof value) == 0) return absl::OkStatus();
  return StatusFromErrno(errno, absl::StrCat("cannot set ", ToAbsl(name), " to ", value));
}

int Seconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Seconds(duration)); }

absl::Status SetKeepalive(const TcpKeepalive& keepalive, int fd) {
  RETURN_IF_ERROR(Set(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1));
  RETURN_IF_ERROR(Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", Seconds(keepalive.idle)));
  RETURN_IF_ERROR(
      Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", Seconds(keepalive.interval)));
  return Set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", keepalive.count);
}

}  // namespace

absl::Status Validate(const TcpOptions& options) {
  if (options.keepalive.has_value()) {
    const TcpKeepalive& keepalive = *options.keepalive;
    const absl::Duration second = absl::Seconds(1);
    RETURN_IF_ERROR(CheckSeconds("keepalive.idle", keepalive.idle, second, kMaxKeepaliveTime));
    RETURN_IF_ERROR(
        CheckSeconds("keepalive.interval", keepalive.interval, second, kMaxKeepaliveTime));
    RETURN_IF_ERROR(CheckNumber("keepalive.count", keepalive.count, 1, kMaxKeepaliveCount));
  }
  const absl::Duration timeout = options.user_timeout;
  if (timeout != absl::ZeroDuration() &&
      (timeout < absl::Milliseconds(1) || timeout > kMaxUserTimeout)) {
    return Bad("user_timeout", absl::FormatDuration(timeout),
               absl::StrCat("0 (the kernel's) or 1ms to ", absl::FormatDuration(kMaxUserTimeout)));
  }
  RETURN_IF_ERROR(CheckNumber("send_buffer_size", options.send_buffer_size, 0, kMaxBuffer));
  RETURN_IF_ERROR(CheckNumber("receive_buffer_size", options.receive_buffer_size, 0, kMaxBuffer));
  RETURN_IF_ERROR(
      CheckSeconds("defer_accept", options.defer_accept, absl::ZeroDuration(), kMaxDeferAccept));
  return CheckNumber("fastopen_queue", options.fastopen_queue, 0, kMaxFastopenQueue);
}

absl::Status ApplyToConnection(const TcpOptions& options, int fd) {
  if (!IsTcp(fd)) return absl::OkStatus();
  if (options.nodelay) {
    RETURN_IF_ERROR(Set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1));
  }
  if (options.keepalive.has_value()) {
    RETURN_IF_ERROR(SetKeepalive(*options.keepalive, fd));
  }
  if (options.user_timeout != absl::ZeroDuration()) {
    RETURN_IF_ERROR(Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT",
                        static_cast<int>(absl::ToInt64Milliseconds(options.user_timeout))));
  }
  if (options.send_buffer_size != 0) {
    RETURN_IF_ERROR(Set(fd, SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", options.send_buffer_size));
  }
  if (options.receive_buffer_size != 0) {
    RETURN_IF_ERROR(Set(fd, SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", options.receive_buffer_size));
  }
  return absl::OkStatus();
}

absl::Status ApplyToListener(const TcpOptions& options, int fd) {
  if (!IsTcp(fd)) return absl::OkStatus();
  RETURN_IF_ERROR(ApplyToConnection(options, fd));
  if (options.defer_accept != absl::ZeroDuration()) {
    RETURN_IF_ERROR(
        Set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT", Seconds(options.defer_accept)));
  }
  if (options.fastopen_queue != 0) {
    RETURN_IF_ERROR(Set(fd, IPPROTO_TCP, TCP_FASTOPEN, "TCP_FASTOPEN", options.fastopen_queue));
  }
  return absl::OkStatus();
}

absl::Status ApplyBeforeConnect(const TcpOptions& options, int fd) {
  if (!IsTcp(fd)) return absl::OkStatus();
  RETURN_IF_ERROR(ApplyToConnection(options, fd));
  if (!options.fastopen_connect) return absl::OkStatus();
  return Set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT", 1);
}

}  // namespace squall
