// Listening sockets: bound before the fork, shared by all workers.
//
//   auto sockets = squall::BindSockets(8090).value();   // every address of this machine
//   auto local = squall::BindSockets(0, {.address = "localhost"}).value();   // any free port
//   LOG(INFO) << "serving on " << local[0].address();   // 127.0.0.1:40213
//   auto admin = squall::BindUnixSocket("/run/app/control.sock", {.mode = 0660}).value();
//
// A socket that a service manager made for the address (LISTEN_FDS; a systemd socket unit) is used
// instead of a new one, see netutil/inherited_sockets.h.
//
// All sockets are non-blocking and close-on-exec; fork keeps them. These functions block (name
// service, file system) and start no thread: call them at start, before an IOLoop runs. Any
// process.
#ifndef SQUALL_NETUTIL_SOCKETS_H_
#define SQUALL_NETUTIL_SOCKETS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/netutil/address.h"
#include "squall/netutil/tcp_options.h"

namespace squall {

// One listening socket and the address it is bound to. Movable; closes the socket at its end. The
// file of a unix socket stays, as in Tornado: another process may be serving on the same socket.
class ListenSocket {
 public:
  ListenSocket() = default;
  ListenSocket(UniqueFd fd, SocketAddress address, bool inherited = false)
      : fd_(std::move(fd)), address_(address), inherited_(inherited) {}
  ListenSocket(UniqueFd fd, SocketAddress address, std::vector<UniqueFd> siblings)
      : fd_(std::move(fd)), address_(address), siblings_(std::move(siblings)) {}

  // -1 when moved from.
  int fd() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  // As bound, so with the real port when port 0 was asked for.
  const SocketAddress& address() const { return address_; }
  // 0 for unix sockets.
  uint16_t port() const { return address_.port(); }

  // True for a socket of a service manager, who keeps it and its backlog for the next start of this
  // program: not to be shut down (shutdown(2)), and a unix socket's file not to be removed.
  bool inherited() const { return inherited_; }

  // With ReusePortListeners: the sockets of the same address from which sibling processes accept.
  // AddAcceptHandler() takes what is stranded there. Empty for all other sockets.
  const std::vector<UniqueFd>& siblings() const { return siblings_; }

  // Gives the descriptor up; address() stays.
  [[nodiscard]] UniqueFd Release() { return std::move(fd_); }

 private:
  UniqueFd fd_;
  SocketAddress address_;
  bool inherited_ = false;
  std::vector<UniqueFd> siblings_;
};

struct BindOptions {
  // An IPv4 or IPv6 address, or a host name, all of whose addresses are bound. "": all interfaces.
  std::string address = "";
  // AF_UNSPEC (both), AF_INET or AF_INET6.
  int family = AF_UNSPEC;
  // Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
  int backlog = 1024;
  // SO_REUSEPORT: several sockets, of processes of the same user, share the port and the kernel
  // spreads connections over them by hash.
  bool reuse_port = false;
  // Of the listening sockets and what they accept; see tcp_options.h.
  TcpOptions tcp = {};
};

// Binds and listens on `port` of every address that options.address stands for, IPv4 before IPv6,
// each once. The result is never empty. As tornado.netutil.bind_sockets:
// - With port 0 all sockets get the same free port. (Tornado fails if the port that was free for
//   the first address is taken on another one; here the next port is tried.)
// - IPv6 sockets never take IPv4 connections (IPV6_V6ONLY); SO_REUSEADDR is always set.
// - Families that the kernel does not have are skipped, and so is ::1 of "localhost" where it
//   cannot be bound (a container with half an IPv6). Unlike in Tornado it is an error if nothing is
//   left.
// - An inherited socket is used instead of a new one, and what is not inherited is bound. It may be
//   [::] for IPv4, too; then there is no socket for 0.0.0.0 beside it.
// - On failure every socket made so far is closed; inherited ones are there for the next call.
//
// Errors name address, port and cause, e.g. "cannot listen on 127.0.0.1:80: Permission denied".
// Their code is that of the errno (a port in use: FailedPrecondition by absl::ErrnoToStatusCode);
// NotFound for an unknown host name; InvalidArgument for an option that makes no sense.
absl::StatusOr<std::vector<ListenSocket>> BindSockets(uint16_t port,
                                                      const BindOptions& options = {});

struct UnixSocketOptions {
  // Permissions of the socket file, exactly, whatever the umask: who may write may connect.
  mode_t mode = 0600;
  int backlog = 128;
};

// Binds and listens on a unix socket. `path` has at most SocketAddress::kMaxUnixPath bytes; a
// leading NUL makes the name abstract: no file, and no permissions either, so that every process in
// the network namespace may connect (look at SO_PEERCRED).
//
// An existing socket file is replaced if nobody listens on it any more, as after a crash. If a
// server answers there, this fails with FailedPrecondition naming its pid (Tornado takes the path
// away from it). Anything else at the path, a symbolic link too, is left untouched and
// FailedPrecondition. Squall processes that start at the same moment do not take the path from one
// another: the directory is locked (flock(2)) while one looks and binds.
//
// The socket accepts no connection before its file has the mode asked for, and the file never
// grants more than that; the umask of the process is not touched.
//
// If a socket with this path was inherited, it is used instead, and its file stays as it is, with
// its mode.
absl::StatusOr<ListenSocket> BindUnixSocket(std::string_view path,
                                            const UnixSocketOptions& options = {});

namespace internal {

// One socket of BindSockets(), at an address that is known already.
absl::StatusOr<ListenSocket> ListenOn(const SocketAddress& address, const BindOptions& options);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_NETUTIL_SOCKETS_H_
