// A set of addresses and networks: the proxies that HttpServerOptions::trusted_downstream or
// ProxyProtocolOptions::trusted names.
//
//   auto proxies = squall::TrustedNetworks::Parse({"127.0.0.1", "10.0.0.0/8", "fd00::/8"});
//   if (proxies.ok() && proxies->Contains("10.1.2.3")) { ... }
//
// Immutable after Parse(); any thread.
#ifndef SQUALL_NETUTIL_TRUSTED_NETWORKS_H_
#define SQUALL_NETUTIL_TRUSTED_NETWORKS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/netutil/address.h"

namespace squall {

class TrustedNetworks {
 public:
  TrustedNetworks() = default;

  // Each entry is an IPv4 or IPv6 address, a network in CIDR notation, or "unix:" for everybody who
  // may connect to a unix socket. Bits below the prefix are ignored. InvalidArgument names the entry
  // that is none of these.
  static absl::StatusOr<TrustedNetworks> Parse(const std::vector<std::string>& entries);

  // False for what is not an address. An IPv4-mapped IPv6 address is its IPv4 address.
  bool Contains(std::string_view ip) const;
  // A scope does not matter, nor does the path of a unix socket.
  bool Contains(const SocketAddress& address) const;

  bool empty() const { return networks_.empty() && !unix_; }

 private:
  // IPv4 is held as ::ffff:a.b.c.d, so that one comparison serves both families.
  using Address = std::array<uint8_t, 16>;
  struct Network {
    Address address;
    int prefix;
  };

  static bool ParseAddress(std::string_view text, Address* address, bool* is_v4);
  bool ContainsAddress(const Address& address) const;

  std::vector<Network> networks_;
  bool unix_ = false;
};

}  // namespace squall

#endif  // SQUALL_NETUTIL_TRUSTED_NETWORKS_H_
