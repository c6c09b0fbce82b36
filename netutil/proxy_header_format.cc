// FormatProxyHeader().
#include <netinet/in.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/netutil/crc32c.h"
#include "squall/netutil/proxy_header.h"
#include "squall/netutil/proxy_header_layout.h"

namespace squall {
namespace {

using namespace internal;  // NOLINT: the numbers of the layout

constexpr size_t kMaxField = 65535;

std::string Uint16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

absl::Status CheckFamilies(const ProxyHeader& header) {
  if (header.source.family() == header.destination.family()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a PROXY protocol header has addresses of one family, not ",
                   header.source.ToString(), " and ", header.destination.ToString()));
}

absl::StatusOr<std::string> FormatV1(const ProxyHeader& header) {
  const int family = header.source.family();
  if (family == AF_UNSPEC || header.command == ProxyHeader::Command::kLocal) {
    return std::string("PROXY UNKNOWN\r\n");
  }
  if (family != AF_INET && family != AF_INET6) {
    return absl::InvalidArgumentError(
        absl::StrCat("version 1 of the PROXY protocol has no word for ", header.source.ToString()));
  }
  // A scope means nothing to the receiver.
  const auto host = [](const SocketAddress& address) {
    const std::string text = address.host();
    return text.substr(0, text.find('%'));
  };
  return absl::StrCat("PROXY ", family == AF_INET ? "TCP4 " : "TCP6 ", host(header.source), " ",
                      host(header.destination), " ", header.source.port(), " ",
                      header.destination.port(), "\r\n");
}

// Both addresses, then both ports.
std::string InetBlock(const ProxyHeader& header) {
  std::string hosts;
  std::string ports;
  for (const SocketAddress* address : {&header.source, &header.destination}) {
    if (address->family() == AF_INET) {
      const auto* const inet = reinterpret_cast<const sockaddr_in*>(address->data());
      hosts.append(reinterpret_cast<const char*>(&inet->sin_addr), sizeof inet->sin_addr);
    } else {
      const auto* const inet6 = reinterpret_cast<const sockaddr_in6*>(address->data());
      hosts.append(reinterpret_cast<const char*>(&inet6->sin6_addr), sizeof inet6->sin6_addr);
    }
    ports += Uint16(address->port());
  }
  return hosts + ports;
}

std::string UnixBlock(const ProxyHeader& header) {
  std::string block;
  for (const SocketAddress* address : {&header.source, &header.destination}) {
    std::string path(address->unix_path());
    path.resize(kProxyUnixPath);
    block += path;
  }
  return block;
}

absl::Status Append(uint8_t type, std::string_view value, std::string& block) {
  if (value.size() > kMaxField) {
    return absl::InvalidArgumentError(absl::StrCat("a field of ", value.size(),
                                                   " octets in a PROXY protocol header, where ",
                                                   kMaxField, " are the most"));
  }
  block += static_cast<char>(type);
  block += Uint16(value.size());
  block.append(value);
  return absl::OkStatus();
}

absl::Status AppendText(uint8_t type, std::string_view value, std::string& block) {
  return value.empty() ? absl::OkStatus() : Append(type, value, block);
}

absl::Status AppendTls(const ProxyTls& tls, std::string& block) {
  std::string value;
  value +=
      static_cast<char>((tls.over_tls ? 0x01 : 0) | (tls.certificate_on_connection ? 0x02 : 0) |
                        (tls.certificate_in_session ? 0x04 : 0));
  value.append(3, '\0');
  value += tls.verified ? '\0' : '\1';
  RETURN_IF_ERROR(AppendText(kProxySslVersion, tls.version, value));
  RETURN_IF_ERROR(AppendText(kProxySslCommonName, tls.common_name, value));
  RETURN_IF_ERROR(AppendText(kProxySslCipher, tls.cipher, value));
  RETURN_IF_ERROR(AppendText(kProxySslSignature, tls.signature_algorithm, value));
  RETURN_IF_ERROR(AppendText(kProxySslKey, tls.key_algorithm, value));
  return Append(kProxySsl, value, block);
}

absl::StatusOr<std::string> Fields(const ProxyHeader& header) {
  std::string block;
  if (header.unique_id.size() > kProxyMaxUniqueId) {
    return absl::InvalidArgumentError(absl::StrCat("a unique id of ", header.unique_id.size(),
                                                   " octets, where ", kProxyMaxUniqueId,
                                                   " are the most"));
  }
  RETURN_IF_ERROR(AppendText(kProxyAlpn, header.alpn, block));
  RETURN_IF_ERROR(AppendText(kProxyAuthority, header.authority, block));
  RETURN_IF_ERROR(AppendText(kProxyUniqueId, header.unique_id, block));
  if (header.tls.has_value()) RETURN_IF_ERROR(AppendTls(*header.tls, block));
  RETURN_IF_ERROR(AppendText(kProxyNetns, header.netns, block));
  for (const ProxyTlv& field : header.others) {
    RETURN_IF_ERROR(Append(field.type, field.value, block));
  }
  return block;
}

absl::StatusOr<std::string> FormatV2(const ProxyHeader& header, ProxyChecksum checksum) {
  const bool local = header.command == ProxyHeader::Command::kLocal;
  char family_and_transport = 0;
  std::string block;
  if (!local && header.source.family() != AF_UNSPEC) {
    switch (header.source.family()) {
      case AF_INET:
        family_and_transport = 0x11;
        block = InetBlock(header);
        break;
      case AF_INET6:
        family_and_transport = 0x21;
        block = InetBlock(header);
        break;
      case AF_UNIX:
        family_and_transport = 0x31;
        block = UnixBlock(header);
        break;
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("the PROXY protocol has no word for an ", header.source.ToString()));
    }
    ASSIGN_OR_RETURN(const std::string fields, Fields(header));
    block += fields;
    if (checksum == ProxyChecksum::kCrc32c) {
      RETURN_IF_ERROR(Append(kProxyCrc32c, std::string_view("\0\0\0\0", 4), block));
    }
  }
  if (block.size() > kMaxProxyHeaderSize - kProxyV2Prologue) {
    return absl::InvalidArgumentError(
        absl::StrCat("a PROXY protocol header with ", block.size(), " octets of addresses and ",
                     "fields, where ", kMaxProxyHeaderSize - kProxyV2Prologue, " are the most"));
  }
  std::string result(kProxyV2Signature);
  result += static_cast<char>(0x20 | (local ? 0 : 1));
  result += family_and_transport;
  result += Uint16(block.size());
  result += block;
  if (checksum == ProxyChecksum::kCrc32c && family_and_transport != 0) {
    const uint32_t value = Crc32c(result);
    result.replace(result.size() - 4, 4, Uint16(value >> 16) + Uint16(value & 0xffff));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::string> FormatProxyHeader(const ProxyHeader& header, ProxyChecksum checksum) {
  RETURN_IF_ERROR(CheckFamilies(header));
  if (header.version == 1) return FormatV1(header);
  if (header.version == 2) return FormatV2(header, checksum);
  return absl::InvalidArgumentError(
      absl::StrCat("the PROXY protocol has the versions 1 and 2, not ", header.version));
}

}  // namespace squall
