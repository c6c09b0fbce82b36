#include "squall/control/status/status_options.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/control/status/loopback.h"
#include "squall/netutil/address.h"

namespace squall {
namespace {

constexpr absl::string_view kLocalhost = "localhost:";

absl::StatusOr<SocketAddress> AddressOf(const StatusOptions& options) {
  const std::string text =
      absl::StartsWith(options.address, kLocalhost)
          ? absl::StrCat("127.0.0.1:", options.address.substr(kLocalhost.size()))
          : options.address;
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  const bool abstract = address.ok() && address->is_unix() && address->unix_path().front() != '/';
  if (!address.ok() || abstract) {
    return absl::InvalidArgumentError(absl::StrCat(
        "status.address must be 127.0.0.1:PORT, [::1]:PORT or unix:/PATH: ", options.address));
  }
  return address;
}

bool IsHostName(std::string_view name) {
  if (name.empty()) return false;
  for (const char c : name) {
    const auto octet = static_cast<unsigned char>(c);
    if (!absl::ascii_islower(octet) && !absl::ascii_isdigit(octet) && c != '.' && c != '-' &&
        c != '_') {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status Validate(const StatusOptions& options) {
  if (options.address.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SocketAddress address, AddressOf(options));
  if (!address.is_unix() && !options.allow_remote && !internal::IsLoopback(address.host())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "status.address ", options.address,
        " can be reached from other machines, and whoever reaches it sees the pool without a "
        "password; use 127.0.0.1:PORT, [::1]:PORT or unix:/PATH, or allow it by "
        "status.allow_remote"));
  }
  for (const std::string& name : options.hosts) {
    if (IsHostName(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "status.hosts must be names in lower case without a port such as web1.example: ", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<ListenSocket> BindStatusListener(const StatusOptions& options) {
  RETURN_IF_ERROR(Validate(options));
  ASSIGN_OR_RETURN(const SocketAddress address, AddressOf(options));
  if (address.is_unix()) return BindUnixSocket(address.unix_path());
  ASSIGN_OR_RETURN(std::vector<ListenSocket> sockets,
                   BindSockets(address.port(), {.address = address.host(), .backlog = 128}));
  return std::move(sockets.front());
}

}  // namespace squall
