// Everything that reads addresses as text or as the kernel gives them: what was read is printed and
// read back as the same, and whatever is printed, also an error, is one line of printable ASCII.
// The first octet of an input chooses which.
//
//   bazel run --config=fuzz //netutil:address_fuzz_test -- -max_total_time=300 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "squall/base/logging.h"
#include "squall/base/string_view.h"
#include "squall/netutil/address.h"
#include "squall/netutil/ip.h"
#include "squall/netutil/listen_address.h"
#include "squall/netutil/trusted_networks.h"

namespace squall {
namespace {

void RequirePrintable(std::string_view text) {
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }))
      << "a text that is not one line of printable ASCII";
}

void CheckPrinted(const SocketAddress& address) {
  const std::string printed = address.ToString();
  RequirePrintable(printed);
  // An unnamed socket, an abstract name with a NUL and other families are for people alone, and so is
  // a path without room for its NUL.
  const std::string_view path = address.unix_path();
  const bool readable = address.family() == AF_INET || address.family() == AF_INET6 ||
                        (address.is_unix() && path.size() <= SocketAddress::kMaxUnixPath &&
                         path.find_first_not_of('\0') != path.npos && path.rfind('\0') + 1 <= 1);
  if (!readable) return;
  const absl::StatusOr<SocketAddress> again = SocketAddress::Parse(printed);
  CHECK(again.ok() && *again == address) << "an address is not read back";
  CHECK(again->ToString() == printed) << "an address is printed otherwise when it is read back";
  CHECK(again->host() == address.host() && again->port() == address.port()) << "another host";
}

void CheckSocketAddress(std::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  if (!address.ok()) return RequirePrintable(ToStd(address.status().message()));
  CheckPrinted(*address);
}

void CheckListenAddress(std::string_view text) {
  const absl::StatusOr<ListenAddress> address = ListenAddress::Parse(text);
  if (!address.ok()) return RequirePrintable(ToStd(address.status().message()));
  if (address->is_unix()) return;
  const bool v6 = address->host.find(':') != std::string::npos;
  const std::string printed =
      (v6 ? "[" + address->host + "]" : address->host) + ":" + std::to_string(address->port);
  const absl::StatusOr<ListenAddress> again = ListenAddress::Parse(printed);
  CHECK(again.ok() && again->host == address->host && again->port == address->port &&
        !again->is_unix())
      << "a place to listen at is not read back";
}

void CheckNetworks(std::string_view text) {
  const absl::StatusOr<TrustedNetworks> networks = TrustedNetworks::Parse({std::string(text)});
  if (!networks.ok()) return RequirePrintable(ToStd(networks.status().message()));
  const std::string_view host = text.substr(0, text.find('/'));
  if (IsValidIp(host)) CHECK(networks->Contains(host)) << "a network without its own address";
}

// As from getpeername(2).
void CheckSockaddr(std::string_view octets) {
  sockaddr_storage storage = {};
  const size_t size = std::min(octets.size(), sizeof storage);
  std::memcpy(&storage, octets.data(), size);
  CheckPrinted(SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage),
                                           static_cast<socklen_t>(size)));
}

void Check(std::string_view input) {
  if (input.empty()) return;
  const char choice = input[0];
  input.remove_prefix(1);
  switch (choice) {
    case 'a':
      return CheckSocketAddress(input);
    case 'l':
      return CheckListenAddress(input);
    case 'n':
      return CheckNetworks(input);
    case 's':
      return CheckSockaddr(input);
    default:
      return;
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
