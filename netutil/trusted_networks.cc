#include "squall/netutil/trusted_networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"

namespace squall {

bool TrustedNetworks::ParseAddress(std::string_view text, Address* address, bool* is_v4) {
  // The longest address is 45 octets; inet_pton wants a terminated string.
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return false;
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  in_addr v4;
  if (inet_pton(AF_INET, buffer, &v4) == 1) {
    address->fill(0);
    (*address)[10] = (*address)[11] = 0xff;
    std::memcpy(address->data() + 12, &v4, 4);
    *is_v4 = true;
    return true;
  }
  *is_v4 = false;
  return inet_pton(AF_INET6, buffer, address->data()) == 1;
}

absl::StatusOr<TrustedNetworks> TrustedNetworks::Parse(const std::vector<std::string>& entries) {
  TrustedNetworks result;
  for (const std::string& entry : entries) {
    const std::string_view text = ToStd(absl::StripAsciiWhitespace(entry));
    if (text == "unix:") {
      result.unix_ = true;
      continue;
    }
    const size_t slash = text.find('/');
    Network network;
    bool is_v4 = false;
    if (!ParseAddress(text.substr(0, slash), &network.address, &is_v4)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", absl::CHexEscape(entry),
                       "\" is not an IP address or network; write 10.0.0.1, 10.0.0.0/8 or unix:"));
    }
    network.prefix = 128;
    if (slash != std::string_view::npos) {
      const int bits = is_v4 ? 32 : 128;
      int prefix = -1;
      const std::string_view digits = text.substr(slash + 1);
      const char* const end = digits.data() + digits.size();
      const auto [stop, error] = std::from_chars(digits.data(), end, prefix);
      if (error != std::errc() || stop != end || prefix < 0 || prefix > bits) {
        return absl::InvalidArgumentError(absl::StrCat("\"", absl::CHexEscape(entry),
                                                       "\" has no prefix length from 0 to ", bits,
                                                       " after the slash"));
      }
      network.prefix = prefix + (128 - bits);
    }
    result.networks_.push_back(network);
  }
  return result;
}

bool TrustedNetworks::Contains(std::string_view ip) const {
  if (networks_.empty()) return false;
  Address address;
  bool is_v4 = false;
  return ParseAddress(ip, &address, &is_v4) && ContainsAddress(address);
}

bool TrustedNetworks::Contains(const SocketAddress& address) const {
  if (address.is_unix()) return unix_;
  const std::string host = address.host();
  return !host.empty() && Contains(std::string_view(host).substr(0, host.find('%')));
}

bool TrustedNetworks::ContainsAddress(const Address& address) const {
  for (const Network& network : networks_) {
    const int whole = network.prefix / 8;
    const int rest = network.prefix % 8;
    if (std::memcmp(address.data(), network.address.data(), whole) != 0) continue;
    if (rest == 0) return true;
    const int mask = 0xff << (8 - rest) & 0xff;
    if ((address[whole] & mask) == (network.address[whole] & mask)) return true;
  }
  return false;
}

}  // namespace squall
