// Internal to netutil: the numbers of PROXY protocol version 2, for its reader and its writer.
#ifndef SQUALL_NETUTIL_PROXY_HEADER_LAYOUT_H_
#define SQUALL_NETUTIL_PROXY_HEADER_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace squall::internal {

inline constexpr std::string_view kProxyV1Prefix = "PROXY ";
inline constexpr std::string_view kProxyV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
inline constexpr size_t kProxyV1MaxLine = 107;  // with its CRLF
inline constexpr size_t kProxyV2Prologue = 16;
inline constexpr size_t kProxyInetSize = 2 * 4 + 2 * 2;
inline constexpr size_t kProxyInet6Size = 2 * 16 + 2 * 2;
inline constexpr size_t kProxyUnixPath = 108;
inline constexpr size_t kProxyMaxUniqueId = 128;

// PP2_TYPE_* and PP2_SUBTYPE_SSL_*.
enum ProxyTlvType : uint8_t {
  kProxyAlpn = 0x01,
  kProxyAuthority = 0x02,
  kProxyCrc32c = 0x03,
  kProxyNoop = 0x04,
  kProxyUniqueId = 0x05,
  kProxySsl = 0x20,
  kProxySslVersion = 0x21,
  kProxySslCommonName = 0x22,
  kProxySslCipher = 0x23,
  kProxySslSignature = 0x24,
  kProxySslKey = 0x25,
  kProxyNetns = 0x30,
};

}  // namespace squall::internal

#endif  // SQUALL_NETUTIL_PROXY_HEADER_LAYOUT_H_
