#include "squall/netutil/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kAbstractPrefix = "unix-abstract:";
constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
static_assert(SocketAddress::kMaxUnixPath == sizeof(sockaddr_un::sun_path) - 1);

const sockaddr_in& V4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}
const sockaddr_in6& V6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

bool IsAbstract(std::string_view path) { return !path.empty() && path.front() == '\0'; }

std::string Escaped(std::string_view text) { return absl::CHexEscape(ToAbsl(text)); }

std::string Quoted(std::string_view text) { return absl::StrCat("\"", Escaped(text), "\""); }

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Quoted(text), ": ", ToAbsl(why)));
}

// What Escaped() made of it; nullopt when a backslash begins something else. Octets that need no
// escape may stand there as they are.
std::optional<std::string> Unescaped(std::string_view text) {
  constexpr std::string_view kLetters = "nrt\\\"'";
  constexpr std::string_view kMeanings = "\n\r\t\\\"'";
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    if (const size_t known = kLetters.find(text[i]); known != kLetters.npos) {
      result += kMeanings[known];
      continue;
    }
    uint8_t octet = 0;
    const char* const end = text.data() + std::min(i + 3, text.size());
    const auto [stop, error] = std::from_chars(text.data() + i + 1, end, octet, 16);
    if (text[i] != 'x' || error != std::errc() || stop != text.data() + i + 3) return std::nullopt;
    result += static_cast<char>(octet);
    i += 2;
  }
  return result;
}

// All of `digits` as a decimal number; no sign, no space.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view digits) {
  Number number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The scope of "fe80::1%SCOPE": an interface's name or number.
std::optional<uint32_t> ParseScope(std::string_view scope) {
  if (const auto number = ParseNumber<uint32_t>(scope)) return number;
  const uint32_t index = ::if_nametoindex(std::string(scope).c_str());
  if (index == 0) return std::nullopt;
  return index;
}

absl::StatusOr<SocketAddress> ParseV6(std::string_view text, std::string_view host, uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  if (const size_t percent = host.find('%'); percent != std::string_view::npos) {
    const std::string_view scope = host.substr(percent + 1);
    const std::optional<uint32_t> number = ParseScope(scope);
    if (!number.has_value()) {
      return Bad(text, absl::StrCat(Quoted(scope), " is not a network interface of this machine"));
    }
    address.sin6_scope_id = *number;
    host = host.substr(0, percent);
  }
  if (::inet_pton(AF_INET6, std::string(host).c_str(), &address.sin6_addr) != 1) {
    return Bad(text, absl::StrCat(Quoted(host), " is not an IPv6 address"));
  }
  return SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&address), sizeof address);
}

absl::StatusOr<SocketAddress> ParseV4(std::string_view text, std::string_view host, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, std::string(host).c_str(), &address.sin_addr) != 1) {
    return Bad(text, absl::StrCat(Quoted(host), " is not an IPv4 address"));
  }
  return SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&address), sizeof address);
}

// `name` is the end of `text`.
absl::StatusOr<SocketAddress> ParseUnix(std::string_view text, std::string_view name,
                                        std::string_view before) {
  const std::optional<std::string> plain = Unescaped(name);
  if (!plain.has_value()) {
    return Bad(
        text,
        "a backslash in the path of a unix socket is written \\\\; one begins \\n, \\r, \\t, a "
        "quote, or \\x and two hexadecimal digits");
  }
  if (plain->find('\0') != std::string::npos) {
    return Bad(text, "the path of a unix socket must not contain a NUL");
  }
  return SocketAddress::FromUnixPath(std::string(before).append(*plain));
}

}  // namespace

SocketAddress SocketAddress::FromSockaddr(const sockaddr* address, socklen_t size) {
  SocketAddress result;
  size = std::min<socklen_t>(size, sizeof result.storage_);
  if (size < sizeof(sa_family_t)) return result;
  if (address->sa_family == AF_UNSPEC ||
      (address->sa_family == AF_INET && size < sizeof(sockaddr_in)) ||
      (address->sa_family == AF_INET6 && size < sizeof(sockaddr_in6))) {
    return result;
  }
  std::memcpy(&result.storage_, address, size);
  result.size_ = size;
  return result;
}

absl::StatusOr<SocketAddress> SocketAddress::FromUnixPath(std::string_view path) {
  const bool abstract = IsAbstract(path);
  const std::string_view name = path.substr(abstract ? 1 : 0);
  const std::string text = std::string(abstract ? kAbstractPrefix : kUnixPrefix).append(name);
  if (name.empty()) return Bad(text, "the path of a unix socket must not be empty");
  if (name.size() > kMaxUnixPath) {
    return Bad(text, absl::StrCat("the path of a unix socket has at most ", kMaxUnixPath,
                                  " bytes, this one has ", name.size()));
  }
  if (name.find('\0') != std::string_view::npos) {
    return Bad(text, "the path of a unix socket must not contain a NUL");
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  // The length of an abstract name is that of the address; a path is ended by its NUL.
  return FromSockaddr(reinterpret_cast<sockaddr*>(&address),
                      kPathOffset + path.size() + (abstract ? 0 : 1));
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text, text.substr(kUnixPrefix.size()), "");
  if (text.starts_with(kAbstractPrefix)) {
    return ParseUnix(text, text.substr(kAbstractPrefix.size()), std::string_view("\0", 1));
  }
  if (text.find('\0') != std::string_view::npos) return Bad(text, "an address contains no NUL");
  const size_t colon = text.rfind(':');
  // The colon of the port stands behind the bracket of an IPv6 address.
  const bool has_port = colon != std::string_view::npos && text.find(']', colon) == text.npos;
  if (!has_port) {
    return Bad(text,
               "expected ADDRESS:PORT such as 127.0.0.1:80 or [::1]:80, unix:PATH or "
               "unix-abstract:NAME");
  }
  const std::string_view host = text.substr(0, colon);
  const auto port = ParseNumber<uint16_t>(text.substr(colon + 1));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return Bad(text, "an IPv6 address stands in brackets before its port, such as [::1]:80");
  }
  if (!port.has_value()) return Bad(text, "the port must be 0 to 65535");
  if (bracketed) return ParseV6(text, host.substr(1, host.size() - 2), *port);
  return ParseV4(text, host, *port);
}

absl::StatusOr<SocketAddress> SocketAddress::Local(int fd) {
  SocketAddress result;
  socklen_t size = sizeof result.storage_;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage_), &size) != 0) {
    return StatusFromErrno(errno, absl::StrCat("cannot read the address of descriptor ", fd));
  }
  return FromSockaddr(result.data(), size);
}

absl::StatusOr<SocketAddress> SocketAddress::Peer(int fd) {
  SocketAddress result;
  socklen_t size = sizeof result.storage_;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&result.storage_), &size) != 0) {
    return StatusFromErrno(errno,
                           absl::StrCat("cannot read the peer's address of descriptor ", fd));
  }
  return FromSockaddr(result.data(), size);
}

std::string SocketAddress::ToString() const {
  switch (family()) {
    case AF_UNSPEC:
      return "unspecified";
    case AF_INET:
      return absl::StrCat(host(), ":", port());
    case AF_INET6:
      return absl::StrCat("[", host(), "]:", port());
    case AF_UNIX: {
      const std::string_view path = unix_path();
      if (IsAbstract(path)) return std::string(kAbstractPrefix).append(Escaped(path.substr(1)));
      return std::string(kUnixPrefix).append(Escaped(path));
    }
  }
  return absl::StrCat("address of family ", family());
}

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &V4(storage_).sin_addr, text, sizeof text);
    return text;
  }
  if (family() != AF_INET6) return "";
  ::inet_ntop(AF_INET6, &V6(storage_).sin6_addr, text, sizeof text);
  const uint32_t scope = V6(storage_).sin6_scope_id;
  if (scope == 0) return text;
  char interface[IF_NAMESIZE];
  if (::if_indextoname(scope, interface) == nullptr) return absl::StrCat(text, "%", scope);
  return absl::StrCat(text, "%", interface);
}

uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(V4(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(V6(storage_).sin6_port);
  return 0;
}

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  CHECK(family() == AF_INET || family() == AF_INET6) << ToString() << " has no port";
  SocketAddress result = *this;
  if (family() == AF_INET) {
    reinterpret_cast<sockaddr_in&>(result.storage_).sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6&>(result.storage_).sin6_port = htons(port);
  }
  return result;
}

std::string_view SocketAddress::unix_path() const {
  if (!is_unix() || size_ <= kPathOffset) return "";
  const char* const path = reinterpret_cast<const sockaddr_un&>(storage_).sun_path;
  const std::string_view bytes(path, size_ - kPathOffset);
  // The kernel may or may not count the NUL that ends a path; an abstract name has none.
  if (bytes.front() == '\0') return bytes;
  return bytes.substr(0, bytes.find('\0'));
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family()) return false;
  switch (a.family()) {
    case AF_INET:
      return a.port() == b.port() &&
             V4(a.storage_).sin_addr.s_addr == V4(b.storage_).sin_addr.s_addr;
    case AF_INET6:
      return a.port() == b.port() && V6(a.storage_).sin6_scope_id == V6(b.storage_).sin6_scope_id &&
             std::memcmp(&V6(a.storage_).sin6_addr, &V6(b.storage_).sin6_addr, sizeof(in6_addr)) ==
                 0;
    case AF_UNIX:
      return a.unix_path() == b.unix_path();
  }
  return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
}

}  // namespace squall
