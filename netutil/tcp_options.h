// The options of TCP sockets, for those that listen, that are accepted and that connect.
//
//   squall::TcpOptions tcp{.keepalive = squall::TcpKeepalive{.idle = absl::Seconds(30)},
//                          .user_timeout = absl::Seconds(20)};
//   auto sockets = squall::BindSockets(8090, {.tcp = tcp}).value();
//
// An option that is not set leaves the socket as it is, with the kernel's value (tcp(7)). Accepted
// sockets inherit what their listener has, so that nothing costs a system call per connection;
// those that waited in the backlog before the listener was changed have what it had then. Any
// process, any thread.
#ifndef SQUALL_NETUTIL_TCP_OPTIONS_H_
#define SQUALL_NETUTIL_TCP_OPTIONS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace squall {

// Probes on a connection over which nothing comes: it ends with ETIMEDOUT after about
// idle + count * interval without any answer. All in whole seconds.
struct TcpKeepalive {
  absl::Duration idle = absl::Seconds(60);      // TCP_KEEPIDLE, 1 to 32767 s
  absl::Duration interval = absl::Seconds(10);  // TCP_KEEPINTVL, 1 to 32767 s
  int count = 6;                                // TCP_KEEPCNT, 1 to 127
};

struct TcpOptions {
  // TCP_NODELAY: a small write leaves at once and does not wait for the answer to the one before.
  bool nodelay = true;

  // SO_KEEPALIVE and its times.
  std::optional<TcpKeepalive> keepalive = std::nullopt;

  // TCP_USER_TIMEOUT, in milliseconds: how long data may stay without an acknowledgement until the
  // connection ends with ETIMEDOUT. 0: the kernel's retransmissions decide (15 minutes or more).
  // With keepalive it takes the place of `count`, see tcp(7).
  absl::Duration user_timeout = absl::ZeroDuration();

  // SO_SNDBUF and SO_RCVBUF, octets. 0: the kernel tunes them, which is nearly always better. The
  // kernel doubles the value for its own needs and caps it by net.core.wmem_max and rmem_max.
  int send_buffer_size = 0;
  int receive_buffer_size = 0;

  // For those that listen: TCP_DEFER_ACCEPT. A connection is accepted when its first octets are
  // there, which saves a wake-up, or after about this time. A silent client is seen by no timeout of
  // the server's until then, and not at all by protocols in which the server speaks first. 0: off.
  // Whole seconds.
  absl::Duration defer_accept = absl::ZeroDuration();

  // For those that listen: TCP_FASTOPEN, the connections that may stand in the queue with data that
  // came with their first segment. 0: off. Such data may come twice (RFC 7413 §6.1): only for
  // requests that may be repeated. It takes effect with bit 2 of net.ipv4.tcp_fastopen.
  int fastopen_queue = 0;

  // For those that connect: TCP_FASTOPEN_CONNECT, the first octets leave with the first segment
  // once the server has given out a cookie. connect then succeeds at once, and a server that
  // refuses is found out by the first write, so that no other address is tried.
  bool fastopen_connect = false;
};

// OK, or INVALID_ARGUMENT naming the first option that makes no sense, with its value and what
// would be right.
absl::Status Validate(const TcpOptions& options);

// What concerns a listening socket and all that it accepts: everything but fastopen_connect. Best
// before listen(2), for the window that a large receive buffer allows is offered at the start of a
// connection.
//
// Each Apply does nothing on a socket that is not TCP. Errors name the option and its value, with
// the code of the errno: the kernel lacks it, or `fd` is no socket.
absl::Status ApplyToListener(const TcpOptions& options, int fd);

// What concerns one that has been accepted or connected: everything but defer_accept,
// fastopen_queue and fastopen_connect.
absl::Status ApplyToConnection(const TcpOptions& options, int fd);

// What concerns one before its connect(2): ApplyToConnection and fastopen_connect.
absl::Status ApplyBeforeConnect(const TcpOptions& options, int fd);

}  // namespace squall

#endif  // SQUALL_NETUTIL_TCP_OPTIONS_H_
