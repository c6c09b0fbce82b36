// Sockets that a service manager made and passed to this program: LISTEN_FDS (sd_listen_fds(3)),
// from a systemd .socket unit, systemd-socket-activate or anything else that speaks the protocol.
//
//   [Socket]                                 # app.socket
//   ListenStream=80
//   ListenStream=/run/app/control.sock
//
//   auto sockets = squall::BindSockets(80).value();                         // takes the first,
//   auto admin = squall::BindUnixSocket("/run/app/control.sock").value();   // the second
//   squall::CloseUnusedInheritedSockets();   // ForkProcesses does it, too
//
// Programs change nothing for it: BindSockets and BindUnixSocket take an inherited socket where its
// address is the one they would bind. The manager keeps the socket, so that connections wait in its
// backlog while the program is restarted, and a program without rights may listen on port 80.
//
// The first bind reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and removes them from the
// environment, as getenv(3) and unsetenv(3) do it: not beside threads that use the environment. It
// makes the descriptors close-on-exec, so that no program started from here takes them again. If
// LISTEN_PID is not this process (a shell stands between it and the manager: start the program
// with `exec`), nothing is taken. A program that has a use of its own for some of the descriptors
// reads and removes the variables before its first bind; all of them are its own then.
//
// libsystemd is not linked for this: the protocol is three variables that are promised to stay, and
// the library brings several others into every server (CVE-2024-3094 came in by one of them).
//
// Which socket is taken for an address (IPv4, IPv6 with its scope, and the port)
// - The one bound to exactly this address, as nginx and HAProxy do it. Port 0 takes none: a socket
//   with a port of its own was made for somebody who knows it.
// - [::] that takes IPv4 connections, too (systemd's ListenStream=80 unless BindIPv6Only= says
//   otherwise), for 0.0.0.0 and for [::]: nothing else could be bound beside it. Peers with IPv4
//   addresses are ::ffff:1.2.3.4 on it.
// - For a unix path the socket of this path, or of the same file by another path (a symbolic link
//   on the way, a relative path). Its file is never removed or replaced, nor its mode changed:
//   SocketMode= is the unit's.
// - Each socket once. Several of one address (SO_REUSEPORT) are taken one after the other.
// It stays as the manager made it: IPV6_V6ONLY, SO_REUSEPORT and, if it listens already, the backlog
// are not changed. O_NONBLOCK is set, which the manager's copy shares (systemd sets it itself).
#ifndef SQUALL_NETUTIL_INHERITED_SOCKETS_H_
#define SQUALL_NETUTIL_INHERITED_SOCKETS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"

namespace squall {

// Logs one warning for each inherited descriptor that no bind has taken, with its address, and
// closes it if it is a socket. The manager has its own copy: whoever connects waits there, as
// before, and is refused once the unit stops, which a copy kept here would prevent. Descriptors that
// are no sockets (a FIFO, what FDSTORE keeps) stay open. Any process; does nothing the second time.
void CloseUnusedInheritedSockets();

namespace internal {

struct InheritedSocket {
  UniqueFd fd;
  SocketAddress address;  // As getsockname says.
};

// A listening, non-blocking stream socket for `wanted`, an address that is about to be bound;
// nothing if none was inherited. One that was not listening yet listens with `backlog`. Errors:
// FailedPrecondition, with the descriptor and what is wrong with it, if something was inherited at
// this address that cannot listen. Any thread.
absl::StatusOr<std::optional<InheritedSocket>> TakeInheritedSocket(const SocketAddress& wanted,
                                                                   int backlog);

// For the caller that could not use it after all: the next bind may take it.
void ReturnInheritedSocket(InheritedSocket socket);

// Says which inherited socket may be in the way when `wanted` is in use: " (descriptor 3, [::]:80,
// was inherited, ...)", or "" if none has the port.
std::string HintOfInheritedSockets(const SocketAddress& wanted);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_NETUTIL_INHERITED_SOCKETS_H_
