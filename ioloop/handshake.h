// What has to pass on a connection before the first octet of its user, within a time limit.
//
//   std::unique_ptr<squall::Transport> transport =
//       squall::MakeTlsTransport(std::move(socket), context, "example.com");
//   absl::Status shaken = co_await squall::Handshake(transport.get(), absl::Seconds(10));
//   if (!shaken.ok()) co_return shaken;
//   squall::IOStream stream(std::move(transport));
//
// A stream does it by itself in its first read or write; this is for those who want to know before,
// or to bound the time. Plain transports are done at once.
//
// Source: Tornado's IOStream.wait_for_handshake; tornado.iostream.SSLIOStream has no deadline.
#ifndef SQUALL_IOLOOP_HANDSHAKE_H_
#define SQUALL_IOLOOP_HANDSHAKE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall {

// OK, Transport::ErrorStatus() of what failed, or DEADLINE_EXCEEDED after `timeout`. `transport` is
// not owned, must outlive the task, and must not be used or watched meanwhile. A task that is
// destroyed leaves the handshake where it is.
Task<absl::Status> Handshake(Transport* transport,
                             absl::Duration timeout = absl::InfiniteDuration());

}  // namespace squall

#endif  // SQUALL_IOLOOP_HANDSHAKE_H_
