// The header of the PROXY protocol, versions 1 and 2: what a proxy says about the client before the
// connection's first octet.
//
//   squall::ProxyHeader header;
//   absl::StatusOr<size_t> size = squall::ParseProxyHeader(received, 4096, &header);
//   if (!size.ok()) Close(size.status());         // no such header
//   if (*size == 0) WaitForMore();                // all of `received` belongs to the header
//   Serve(received.substr(*size), header.source);
//
// Whoever can send a header can claim any address, so read it from known proxies only, and from
// those always: proxy_protocol.h does that on accept. Pure functions; any thread.
//
// Source: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, sections 2.1 and 2.2.
#ifndef SQUALL_NETUTIL_PROXY_HEADER_H_
#define SQUALL_NETUTIL_PROXY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/netutil/address.h"

namespace squall {

// A field of a version 2 header that has no member of its own, such as 0xEA, the VPC endpoint of
// AWS, or 0xEE, the private link of Azure.
struct ProxyTlv {
  uint8_t type = 0;
  std::string value;

  friend bool operator==(const ProxyTlv&, const ProxyTlv&) = default;
};

// PP2_TYPE_SSL: the client's TLS connection to the proxy. Texts are "" when absent.
struct ProxyTls {
  bool over_tls = false;                   // PP2_CLIENT_SSL
  bool certificate_on_connection = false;  // PP2_CLIENT_CERT_CONN
  bool certificate_in_session = false;     // PP2_CLIENT_CERT_SESS
  // The client presented a certificate and the proxy verified it.
  bool verified = false;
  std::string version;              // such as "TLSv1.3"
  std::string common_name;          // of the client's certificate
  std::string cipher;               // such as "ECDHE-RSA-AES128-GCM-SHA256"
  std::string signature_algorithm;  // of the proxy's certificate, such as "RSA-SHA256"
  std::string key_algorithm;        // of the proxy's certificate, such as "RSA2048"

  friend bool operator==(const ProxyTls&, const ProxyTls&) = default;
};

struct ProxyHeader {
  enum class Command {
    kLocal,  // version 2: the proxy itself connects, for instance to check our health
    kProxy,  // on behalf of a client
  };

  int version = 0;  // 1 or 2
  Command command = Command::kProxy;
  // The client, and where it connected to. Both unspecified when the header does not say (UNKNOWN,
  // LOCAL, UNSPEC, datagrams): then the ends of the connection itself count.
  SocketAddress source;
  SocketAddress destination;
  // As the client or the proxy gave them, not checked: any octets. "" when absent.
  std::string alpn;       // such as "h2"
  std::string authority;  // the name that the client asked for (SNI)
  std::string unique_id;  // at most 128 octets
  std::string netns;
  std::optional<ProxyTls> tls;
  std::vector<ProxyTlv> others;

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

// The longest header: version 2 has a length of 16 bits behind its first 16 octets.
inline constexpr size_t kMaxProxyHeaderSize = 16 + 65535;

// Reads the header that `octets` begin with into `*header` and returns its length; 0 when all of
// them are the beginning of one. As soon as no header can come of them: INVALID_ARGUMENT, with a
// sentence that shows what is wrong; RESOURCE_EXHAUSTED for one longer than `max_size`. How the
// octets come in pieces changes nothing of the outcome. Of LOCAL and UNSPEC headers everything is
// skipped; a checksum of others has to be right; no type of field may stand there twice.
absl::StatusOr<size_t> ParseProxyHeader(std::string_view octets, size_t max_size,
                                        ProxyHeader* header);

enum class ProxyChecksum { kNone, kCrc32c };

// The octets of `header`, for senders: version 1 has addresses alone. INVALID_ARGUMENT when the
// addresses are not of one family, or not TCP addresses in version 1, or a field is too long.
absl::StatusOr<std::string> FormatProxyHeader(const ProxyHeader& header,
                                              ProxyChecksum checksum = ProxyChecksum::kNone);

}  // namespace squall

#endif  // SQUALL_NETUTIL_PROXY_HEADER_H_
