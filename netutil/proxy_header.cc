#include "squall/netutil/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/netutil/crc32c.h"
#include "squall/netutil/proxy_header_layout.h"

namespace squall {
namespace {

using namespace internal;  // NOLINT: the numbers of the layout

// What an error shows of what came.
constexpr size_t kMaxShown = 16;

template <typename... Part>
absl::Status Bad(const Part&... part) {
  return absl::InvalidArgumentError(absl::StrCat("not a PROXY protocol header: ", part...));
}

absl::Status TooLong(size_t size, size_t max_size) {
  return absl::ResourceExhaustedError(absl::StrCat("a PROXY protocol header of ", size,
                                                   " octets, where ", max_size, " are allowed"));
}

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(text)), "\"");
}

// All that is there of `prefix` at the beginning of `octets`.
bool BeginsLike(std::string_view octets, std::string_view prefix) {
  const size_t size = std::min(octets.size(), prefix.size());
  return octets.substr(0, size) == prefix.substr(0, size);
}

uint8_t OctetAt(std::string_view octets, size_t position) {
  return static_cast<uint8_t>(octets[position]);
}

uint16_t Uint16At(std::string_view octets, size_t position) {
  return static_cast<uint16_t>(OctetAt(octets, position) << 8 | OctetAt(octets, position + 1));
}

SocketAddress InetAddress(const char* address, in_port_t port_in_network_order) {
  sockaddr_in inet = {};
  inet.sin_family = AF_INET;
  inet.sin_port = port_in_network_order;
  std::memcpy(&inet.sin_addr, address, sizeof inet.sin_addr);
  return SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&inet), sizeof inet);
}

SocketAddress Inet6Address(const char* address, in_port_t port_in_network_order) {
  sockaddr_in6 inet6 = {};
  inet6.sin6_family = AF_INET6;
  inet6.sin6_port = port_in_network_order;
  std::memcpy(&inet6.sin6_addr, address, sizeof inet6.sin6_addr);
  return SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&inet6), sizeof inet6);
}

// A name is padded with NULs; one that begins with a NUL is abstract.
SocketAddress UnixAddress(std::string_view padded) {
  sockaddr_un local = {};
  local.sun_family = AF_UNIX;
  const size_t last = padded.find_last_not_of('\0');
  size_t size = last == padded.npos ? 0 : last + 1;
  if (size > 0 && padded.front() != '\0') size = std::min(size, padded.find('\0'));
  std::memcpy(local.sun_path, padded.data(), size);
  return SocketAddress::FromSockaddr(
      reinterpret_cast<sockaddr*>(&local),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
}

// Version 1.

// inet_pton takes neither signs nor leading zeros nor scopes, as the protocol demands.
absl::StatusOr<SocketAddress> AddressV1(int family, std::string_view host, std::string_view port) {
  uint16_t number = 0;
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool leading_zero = port.size() > 1 && port.front() == '0';
  if (error != std::errc() || stop != port.data() + port.size() || leading_zero) {
    return Bad("the port ", Quoted(port), " is not 0 to 65535 without leading zeros");
  }
  char address[sizeof(in6_addr)];
  if (host.find('\0') != host.npos ||
      ::inet_pton(family, std::string(host).c_str(), address) != 1) {
    return Bad(Quoted(host), " is not an ", family == AF_INET ? "IPv4" : "IPv6", " address");
  }
  return family == AF_INET ? InetAddress(address, htons(number))
                           : Inet6Address(address, htons(number));
}

absl::Status ParseLineV1(std::string_view line, ProxyHeader* header) {
  std::array<std::string_view, 6> fields;
  size_t count = 0;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(' ', begin), line.size());
    if (count < fields.size()) fields[count] = line.substr(begin, end - begin);
    ++count;
    begin = end + 1;
  }
  // What stands behind UNKNOWN is to be ignored.
  if (fields[1] == "UNKNOWN") return absl::OkStatus();
  if (fields[1] != "TCP4" && fields[1] != "TCP6") {
    return Bad(Quoted(fields[1]), " in its line is none of TCP4, TCP6 and UNKNOWN");
  }
  if (count != fields.size()) {
    return Bad("the line ", Quoted(line),
               " is not two addresses and two ports with one space before each");
  }
  const int family = fields[1] == "TCP4" ? AF_INET : AF_INET6;
  ASSIGN_OR_RETURN(header->source, AddressV1(family, fields[2], fields[4]));
  ASSIGN_OR_RETURN(header->destination, AddressV1(family, fields[3], fields[5]));
  return absl::OkStatus();
}

absl::StatusOr<size_t> ParseV1(std::string_view octets, size_t max_size, ProxyHeader* header) {
  const size_t most = std::min(kProxyV1MaxLine, max_size);
  const std::string_view first = octets.substr(0, most);
  const size_t end = first.find_first_of("\r\n");
  if (end == first.npos || end + 1 == most) {
    if (first.size() < most) return 0;
    return Bad("no CRLF in the first ", most, " octets of its line");
  }
  if (first[end] == '\n') return Bad("its line ends with a bare LF");
  if (end + 1 == first.size()) return 0;
  if (first[end + 1] != '\n') return Bad("a CR without LF in its line");
  header->version = 1;
  RETURN_IF_ERROR(ParseLineV1(first.substr(0, end), header));
  return end + 2;
}

// Version 2.

// One field after the other, of which each has to lie within `octets`.
class TlvReader {
 public:
  explicit TlvReader(std::string_view octets) : rest_(octets) {}

  bool done() const { return rest_.empty(); }

  absl::Status Next(uint8_t* type, std::string_view* value) {
    if (rest_.size() < 3) {
      return Bad("a field is cut off after ", rest_.size(), " of its first 3 octets");
    }
    *type = OctetAt(rest_, 0);
    const size_t size = Uint16At(rest_, 1);
    rest_.remove_prefix(3);
    if (size > rest_.size()) {
      return Bad(
          absl::StrFormat("the field of type 0x%02x says that it has %d octets, and %d are "
                          "left",
                          *type, size, rest_.size()));
    }
    // Padding may come any number of times.
    if (*type != kProxyNoop && seen_.test(*type)) {
      return Bad(absl::StrFormat("two fields of type 0x%02x", *type));
    }
    seen_.set(*type);
    *value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return absl::OkStatus();
  }

 private:
  std::string_view rest_;
  std::bitset<256> seen_;
};

absl::Status ParseTls(std::string_view octets, ProxyTls* tls) {
  constexpr size_t kFixed = 5;
  if (octets.size() < kFixed) {
    return Bad("the field of TLS has ", octets.size(), " octets, at least ", kFixed, " are needed");
  }
  const uint8_t client = OctetAt(octets, 0);
  tls->over_tls = (client & 0x01) != 0;
  tls->certificate_on_connection = (client & 0x02) != 0;
  tls->certificate_in_session = (client & 0x04) != 0;
  const bool no_error = octets.substr(1, 4) == std::string_view("\0\0\0\0", 4);
  tls->verified = no_error && (tls->certificate_on_connection || tls->certificate_in_session);
  for (TlvReader fields(octets.substr(kFixed)); !fields.done();) {
    uint8_t type = 0;
    std::string_view value;
    RETURN_IF_ERROR(fields.Next(&type, &value));
    switch (type) {
      case kProxySslVersion:
        tls->version = value;
        break;
      case kProxySslCommonName:
        tls->common_name = value;
        break;
      case kProxySslCipher:
        tls->cipher = value;
        break;
      case kProxySslSignature:
        tls->signature_algorithm = value;
        break;
      case kProxySslKey:
        tls->key_algorithm = value;
        break;
      default:
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCrc32c(std::string_view whole, std::string_view value) {
  if (value.size() != 4) return Bad("its checksum has ", value.size(), " octets, not 4");
  const size_t position = static_cast<size_t>(value.data() - whole.data());
  uint32_t expected = Crc32c(whole.substr(0, position));
  expected = Crc32c(std::string_view("\0\0\0\0", 4), expected);
  expected = Crc32c(whole.substr(position + 4), expected);
  const uint32_t received = uint32_t{Uint16At(value, 0)} << 16 | Uint16At(value, 2);
  if (received == expected) return absl::OkStatus();
  return Bad(
      absl::StrFormat("its checksum is 0x%08x, that of its octets 0x%08x", received, expected));
}

absl::Status ParseTlvs(std::string_view whole, size_t begin, ProxyHeader* header) {
  for (TlvReader fields(whole.substr(begin)); !fields.done();) {
    uint8_t type = 0;
    std::string_view value;
    RETURN_IF_ERROR(fields.Next(&type, &value));
    switch (type) {
      case kProxyAlpn:
        header->alpn = value;
        break;
      case kProxyAuthority:
        header->authority = value;
        break;
      case kProxyCrc32c:
        RETURN_IF_ERROR(CheckCrc32c(whole, value));
        break;
      case kProxyNoop:
        break;
      case kProxyUniqueId:
        if (value.size() > kProxyMaxUniqueId) {
          return Bad("a unique id of ", value.size(), " octets, where ", kProxyMaxUniqueId,
                     " are allowed");
        }
        header->unique_id = value;
        break;
      case kProxySsl:
        RETURN_IF_ERROR(ParseTls(value, &header->tls.emplace()));
        break;
      case kProxyNetns:
        header->netns = value;
        break;
      default:
        header->others.push_back({.type = type, .value = std::string(value)});
        break;
    }
  }
  return absl::OkStatus();
}

struct FamilyV2 {
  const char* name;
  size_t size;  // of both addresses and ports
};
constexpr FamilyV2 kFamilies[] = {{"UNSPEC", 0},
                                  {"INET", kProxyInetSize},
                                  {"INET6", kProxyInet6Size},
                                  {"UNIX", 2 * kProxyUnixPath}};

void ReadAddresses(uint8_t family, const char* block, ProxyHeader* header) {
  const auto port = [block](size_t position) {
    in_port_t result;
    std::memcpy(&result, block + position, sizeof result);
    return result;
  };
  switch (family) {
    case 1:
      header->source = InetAddress(block, port(8));
      header->destination = InetAddress(block + 4, port(10));
      break;
    case 2:
      header->source = Inet6Address(block, port(32));
      header->destination = Inet6Address(block + 16, port(34));
      break;
    case 3:
      header->source = UnixAddress({block, kProxyUnixPath});
      header->destination = UnixAddress({block + kProxyUnixPath, kProxyUnixPath});
      break;
  }
}

absl::StatusOr<size_t> ParseV2(std::string_view octets, size_t max_size, ProxyHeader* header) {
  constexpr uint8_t kStream = 1;
  constexpr uint8_t kDatagram = 2;
  // As soon as each has come.
  if (octets.size() < 13) return 0;
  const uint8_t version = OctetAt(octets, 12) >> 4;
  const uint8_t command = OctetAt(octets, 12) & 0xf;
  if (version != 2) return Bad("its version is ", version, ", where 2 is the only one");
  if (command > 1) return Bad("its command is ", command, ", neither 0 (LOCAL) nor 1 (PROXY)");
  if (octets.size() < 14) return 0;
  const uint8_t family = OctetAt(octets, 13) >> 4;
  const uint8_t transport = OctetAt(octets, 13) & 0xf;
  const bool local = command == 0;
  if (!local && family >= std::size(kFamilies)) {
    return Bad("its address family is ", family, ", where 0 to 3 have a meaning");
  }
  if (!local && transport > kDatagram) {
    return Bad("its transport is ", transport, ", where 0 to 2 have a meaning");
  }
  if (octets.size() < kProxyV2Prologue) return 0;
  const size_t size = kProxyV2Prologue + Uint16At(octets, 14);
  if (size > max_size) return TooLong(size, max_size);
  const size_t addresses = local ? 0 : kFamilies[family].size;
  if (size < kProxyV2Prologue + addresses) {
    return Bad("its length is ", size - kProxyV2Prologue, ", and the addresses of the family ",
               kFamilies[family].name, " have ", addresses, " octets");
  }
  if (octets.size() < size) return 0;
  header->version = 2;
  header->command = local ? ProxyHeader::Command::kLocal : ProxyHeader::Command::kProxy;
  // LOCAL: "discard the protocol block including the family"; UNSPEC: nobody says what is in it.
  if (local || family == 0) return size;
  if (transport == kStream) ReadAddresses(family, octets.data() + kProxyV2Prologue, header);
  RETURN_IF_ERROR(ParseTlvs(octets.substr(0, size), kProxyV2Prologue + addresses, header));
  return size;
}

}  // namespace

absl::StatusOr<size_t> ParseProxyHeader(std::string_view octets, size_t max_size,
                                        ProxyHeader* header) {
  *header = ProxyHeader();
  if (octets.empty()) return 0;
  if (BeginsLike(octets, kProxyV1Prefix)) return ParseV1(octets, max_size, header);
  if (BeginsLike(octets, kProxyV2Signature)) return ParseV2(octets, max_size, header);
  return Bad("it begins with ", Quoted(octets.substr(0, kMaxShown)));
}

}  // namespace squall
