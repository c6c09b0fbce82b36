#include "squall/netutil/host_lookup.h"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:
      return absl::StatusCode::kNotFound;
    case EAI_AGAIN:
      return absl::StatusCode::kUnavailable;
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
      return absl::StatusCode::kInvalidArgument;
    case EAI_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnknown;
  }
}

std::string CannotResolve(const std::string& host) {
  return absl::StrCat("cannot resolve host name \"", absl::CHexEscape(host), "\"");
}

}  // namespace

absl::Status StatusFromGai(int error, int error_number, const std::string& host) {
  if (error == EAI_SYSTEM) return StatusFromErrno(error_number, CannotResolve(host));
  return absl::Status(CodeOf(error),
                      absl::StrCat(CannotResolve(host), ": ", ::gai_strerror(error)));
}

absl::StatusOr<std::vector<SocketAddress>> LookUpHost(const std::string& host,
                                                      const HostLookup& lookup) {
  if (host.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(CannotResolve(host), ": a host name contains no NUL"));
  }
  addrinfo hints = {};
  hints.ai_family = lookup.family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = lookup.flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  absl::StrCat(lookup.port).c_str(), &hints, &found);
  const int saved_errno = errno;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, [](addrinfo* list) {
    if (list != nullptr) ::freeaddrinfo(list);
  });
  if (error != 0) return StatusFromGai(error, saved_errno, host);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const SocketAddress address = SocketAddress::FromSockaddr(entry->ai_addr, entry->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace squall::internal
