#include "squall/netutil/listen_address.h"

#include <charconv>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot listen on \"", absl::CHexEscape(ToAbsl(text)), "\": ", ToAbsl(why)));
}

}  // namespace

absl::StatusOr<ListenAddress> ListenAddress::Parse(std::string_view text) {
  if (text.starts_with("unix:") || text.starts_with("unix-abstract:")) {
    absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    if (!address.ok()) return Bad(text, ToStd(address.status().message()));
    return ListenAddress{.unix_path = std::string(address->unix_path())};
  }
  const size_t colon = text.rfind(':');
  if (colon == text.npos || text.find(']', colon) != text.npos) {
    return Bad(text,
               "expected HOST:PORT such as localhost:8888 or [::1]:8888, :PORT for every "
               "interface, or unix:PATH");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == host.npos) return Bad(text, "only an IPv6 address stands in brackets");
  } else if (host.find_first_of(":[]") != host.npos) {
    return Bad(text, "an IPv6 address stands in brackets before its port, such as [::1]:8888");
  }
  // The name service would be asked for each of these, in vain.
  if (host.find_first_of(std::string_view(" \t\n\0/,;\"'", 9)) != host.npos) {
    return Bad(text, "that is no name of a host");
  }
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc() || stop != end) {
    return Bad(text, "the port behind the last colon must be 0 to 65535");
  }
  return ListenAddress{.host = std::string(host), .port = port};
}

absl::StatusOr<std::vector<ListenSocket>> Bind(const ListenAddress& address,
                                               const ListenAddressOptions& options) {
  if (!address.is_unix()) {
    return BindSockets(address.port, {.address = address.host, .backlog = options.backlog});
  }
  absl::StatusOr<ListenSocket> socket =
      BindUnixSocket(address.unix_path, {.mode = options.unix_mode, .backlog = options.backlog});
  if (!socket.ok()) return socket.status();
  std::vector<ListenSocket> sockets;
  sockets.push_back(*std::move(socket));
  return sockets;
}

}  // namespace squall
