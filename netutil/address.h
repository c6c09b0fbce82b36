// The address of one end of a socket: IPv4, IPv6 with its scope, or unix (path, abstract or
// unnamed).
//
//   absl::StatusOr<squall::SocketAddress> address = squall::SocketAddress::Parse("[::1]:8090");
//   if (!address.ok()) return address.status();
//   int result = ::connect(fd, address->data(), address->size());
//   std::string text = address->ToString();  // "[::1]:8090"
//
// A value: copied freely, immutable, usable from any thread and process. Nothing here asks a name
// server; names are resolved by BindSockets (sockets.h).
#ifndef SQUALL_NETUTIL_ADDRESS_H_
#define SQUALL_NETUTIL_ADDRESS_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace squall {

class SocketAddress {
 public:
  // Bytes of a unix socket path or abstract name (without its leading NUL) that the kernel takes,
  // see unix(7): sun_path has 108, one of them is the NUL.
  static constexpr size_t kMaxUnixPath = 107;

  // Unspecified: family() is AF_UNSPEC, size() is 0, ToString() is "unspecified".
  SocketAddress() = default;

  // Copies `size` bytes as a system call returned them. More than sockaddr_storage holds is cut
  // off; too few bytes for the family give an unspecified address. `address` may be null if `size`
  // is 0.
  static SocketAddress FromSockaddr(const sockaddr* address, socklen_t size);

  // Reads "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "unix:/path" or "unix-abstract:name".
  // InvalidArgument, with the text and what is wrong with it, for everything else. Numbers only;
  // a scope must be a number or the name of an interface of this machine. A backslash in a unix name
  // is written \\; \n, \r, \t, \", \' and \xHH are read as in C, other escapes refused. What comes from
  // a file system goes through FromUnixPath.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);

  // A unix address. A leading NUL makes it abstract, as in Tornado's bind_unix_socket.
  // InvalidArgument when it is empty, longer than kMaxUnixPath or has a NUL in it.
  static absl::StatusOr<SocketAddress> FromUnixPath(std::string_view path);

  // The address of this end (getsockname) or the other end (getpeername) of the socket `fd`.
  // Errors: those of the system call, e.g. FailedPrecondition for a socket that is not connected.
  static absl::StatusOr<SocketAddress> Local(int fd);
  static absl::StatusOr<SocketAddress> Peer(int fd);

  // What Parse reads. Quotes, backslashes and bytes outside printable ASCII in unix names are escaped
  // as in C, so that the text is one line of a log. Not for Parse: "unix:", an unnamed socket such as
  // most clients of a unix server, and an abstract name with a NUL in it, which a peer may have.
  std::string ToString() const;

  // "127.0.0.1", "::1", "fe80::1%eth0"; "" for other families.
  std::string host() const;
  // 0 to 65535 in host byte order; 0 for families without ports.
  uint16_t port() const;
  // The same address with another port. CHECK-fails for families without ports.
  SocketAddress WithPort(uint16_t port) const;
  // AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, or what the kernel said.
  int family() const { return storage_.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  // The path of a unix socket, or its abstract name with the leading NUL; "" when unnamed or not
  // unix. The view is valid as long as this object.
  std::string_view unix_path() const;

  // For system calls. The pointer is valid as long as this object.
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

  // Same family, address, port and scope, or same unix name.
  friend bool operator==(const SocketAddress& a, const SocketAddress& b);
  friend bool operator!=(const SocketAddress& a, const SocketAddress& b) { return !(a == b); }
  friend std::ostream& operator<<(std::ostream& out, const SocketAddress& address) {
    return out << address.ToString();
  }

 private:
  sockaddr_storage storage_ = {};
  socklen_t size_ = 0;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_ADDRESS_H_
