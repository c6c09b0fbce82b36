// Internal to netutil: getaddrinfo as a function of values.
//
//   absl::StatusOr<std::vector<SocketAddress>> addresses =
//       internal::LookUpHost("example.com", {.family = AF_INET6});
//
// Blocks as long as the name service does, which may be a minute. Any thread.
#ifndef SQUALL_NETUTIL_HOST_LOOKUP_H_
#define SQUALL_NETUTIL_HOST_LOOKUP_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/netutil/address.h"

namespace squall::internal {

struct HostLookup {
  uint16_t port = 0;
  int family = AF_UNSPEC;
  int flags = 0;  // AI_*
};

// The stream addresses of `host`, each once, in the order of getaddrinfo (RFC 6724); never none. An
// empty name stands for what `flags` make of it. Errors name the host: NOT_FOUND there is no such
// name, or it has no address of this family; UNAVAILABLE the name service does not answer now;
// INVALID_ARGUMENT for a NUL in the name.
absl::StatusOr<std::vector<SocketAddress>> LookUpHost(const std::string& host,
                                                      const HostLookup& lookup);

// The status of an error of getaddrinfo, an EAI_*, and of the errno beside it.
absl::Status StatusFromGai(int error, int error_number, const std::string& host);

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_HOST_LOOKUP_H_
