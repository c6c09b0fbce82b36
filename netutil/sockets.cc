#include "squall/netutil/sockets.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/standard_fds.h"
#include "squall/base/status.h"
#include "squall/netutil/host_lookup.h"
#include "squall/netutil/inherited_sockets.h"

namespace squall {
namespace {

// Ports that were free on the first address but not on another one. Each takes a process that has
// the port on one address only, so that two in a row are already rare.
constexpr size_t kMaxPortClashes = 16;

// All stream addresses of options.address, each once, IPv4 first, in the resolver's order
// otherwise.
absl::StatusOr<std::vector<SocketAddress>> Resolve(uint16_t port, const BindOptions& options) {
  absl::StatusOr<std::vector<SocketAddress>> addresses = internal::LookUpHost(
      options.address, {.port = port, .family = options.family, .flags = AI_PASSIVE});
  if (!addresses.ok()) return addresses.status();
  std::stable_sort(
      addresses->begin(), addresses->end(),
      [](const SocketAddress& a, const SocketAddress& b) { return a.family() < b.family(); });
  return addresses;
}

absl::Status CannotListen(const SocketAddress& address, int error_number) {
  const std::string hint =
      error_number == EADDRINUSE ? internal::HintOfInheritedSockets(address) : "";
  return StatusFromErrno(error_number, absl::StrCat("cannot listen on ", address.ToString(), hint));
}

bool SetOption(int fd, int level, int option) {
  const int on = 1;
  return ::setsockopt(fd, level, option, &on, sizeof on) == 0;
}

// The inherited socket that stands for `wanted`, or else a new one on `address`.
absl::StatusOr<ListenSocket> TakeOrBind(const SocketAddress& wanted, const SocketAddress& address,
                                        const BindOptions& options) {
  absl::StatusOr<std::optional<internal::InheritedSocket>> inherited =
      internal::TakeInheritedSocket(wanted, options.backlog);
  if (!inherited.ok()) return inherited.status();
  if (!inherited->has_value()) return internal::ListenOn(address, options);
  if (absl::Status applied = ApplyToListener(options.tcp, (*inherited)->fd.get()); !applied.ok()) {
    internal::ReturnInheritedSocket(**std::move(inherited));
    return applied;
  }
  return ListenSocket(std::move((*inherited)->fd), (*inherited)->address, /*inherited=*/true);
}

// Docker's default: the kernel has IPv6 and "localhost" has ::1, but no interface carries it.
bool IsHalfAnIpv6(const BindOptions& options, const SocketAddress& address, int error_number) {
  return error_number == EADDRNOTAVAIL && options.address == "localhost" && address.host() == "::1";
}

// Appends to `sockets`, which holds what was bound before the failure if it fails.
absl::Status BindAll(const std::vector<SocketAddress>& addresses, const BindOptions& options,
                     std::vector<ListenSocket>& sockets) {
  absl::Status skipped;
  for (const SocketAddress& wanted : addresses) {
    const bool follow_first = wanted.port() == 0 && !sockets.empty();
    const SocketAddress address = follow_first ? wanted.WithPort(sockets[0].port()) : wanted;
    // An inherited [::] that stands for 0.0.0.0, too.
    const bool is_there = std::any_of(sockets.begin(), sockets.end(), [&](const ListenSocket& s) {
      return s.address() == address;
    });
    if (is_there) continue;
    // By `wanted`: a port that the kernel has just chosen is not one that a manager meant.
    absl::StatusOr<ListenSocket> socket = TakeOrBind(wanted, address, options);
    if (socket.ok()) {
      sockets.push_back(*std::move(socket));
      continue;
    }
    const int error_number = ErrnoFromStatus(socket.status()).value_or(0);
    if (error_number != EAFNOSUPPORT && !IsHalfAnIpv6(options, address, error_number)) {
      return socket.status();
    }
    VLOG(1) << "skipped: " << socket.status().message();
    skipped = socket.status();
  }
  // getaddrinfo has an error instead of an empty list, so that here everything was skipped.
  return sockets.empty() ? skipped : absl::OkStatus();
}

absl::Status Validate(const BindOptions& options) {
  if (options.family != AF_UNSPEC && options.family != AF_INET && options.family != AF_INET6) {
    return absl::InvalidArgumentError(absl::StrCat("BindOptions::family is ", options.family,
                                                   "; it must be AF_UNSPEC, AF_INET or AF_INET6"));
  }
  if (options.backlog < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("BindOptions::backlog is ", options.backlog, "; it must be at least 1"));
  }
  return Validate(options.tcp);
}

}  // namespace

absl::StatusOr<std::vector<ListenSocket>> BindSockets(uint16_t port, const BindOptions& options) {
  OpenStandardFds();
  if (absl::Status status = Validate(options); !status.ok()) return status;
  const absl::StatusOr<std::vector<SocketAddress>> addresses = Resolve(port, options);
  if (!addresses.ok()) return addresses.status();
  // Sockets whose port is taken on another address. They stay open until the end, so that the
  // kernel does not choose their port again.
  std::vector<std::vector<ListenSocket>> clashed;
  for (;;) {
    std::vector<ListenSocket> sockets;
    const absl::Status status = BindAll(*addresses, options, sockets);
    if (status.ok()) return sockets;
    for (ListenSocket& socket : sockets) {
      if (socket.inherited()) internal::ReturnInheritedSocket({socket.Release(), socket.address()});
    }
    const bool try_next_port =
        port == 0 && ErrnoFromStatus(status) == EADDRINUSE && clashed.size() < kMaxPortClashes;
    if (!try_next_port) return status;
    clashed.push_back(std::move(sockets));
  }
}

namespace internal {

absl::StatusOr<ListenSocket> ListenOn(const SocketAddress& address, const BindOptions& options) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid() || !SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR) ||
      (options.reuse_port && !SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT)) ||
      (address.family() == AF_INET6 && !SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY))) {
    return CannotListen(address, errno);
  }
  if (absl::Status applied = ApplyToListener(options.tcp, fd.get()); !applied.ok()) return applied;
  if (::bind(fd.get(), address.data(), address.size()) != 0 ||
      ::listen(fd.get(), options.backlog) != 0) {
    return CannotListen(address, errno);
  }
  absl::StatusOr<SocketAddress> bound = SocketAddress::Local(fd.get());
  if (!bound.ok()) return bound.status();
  return ListenSocket(std::move(fd), *bound);
}

}  // namespace internal
}  // namespace squall
