#include "squall/httpserver/xheaders.h"

#include <string_view>

#include "squall/httpserver/http_scan.h"
#include "squall/netutil/ip.h"

namespace squall {
namespace {

// The text behind the last comma, without the white space around it; takes it off `list`.
std::string_view TakeLast(std::string_view& list) {
  const size_t comma = list.rfind(',');
  const std::string_view last = comma == std::string_view::npos ? list : list.substr(comma + 1);
  list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  return internal::TrimOws(last);
}

}  // namespace

bool HasXHeaders(const HttpHeaders& headers) {
  for (const char* name : {"X-Real-Ip", "X-Forwarded-For", "X-Scheme", "X-Forwarded-Proto"}) {
    if (headers.Has(name)) return true;
  }
  return false;
}

void ApplyXHeaders(const HttpHeaders& headers, const TrustedNetworks& trusted,
                   ForwardedClient& client) {
  std::string candidate;
  if (headers.Has("X-Real-Ip")) {
    // A repeated field joins to something that is no address, and the socket's peer stays.
    candidate = headers.GetJoined("X-Real-Ip");
  } else if (headers.Has("X-Forwarded-For")) {
    const std::string joined = headers.GetJoined("X-Forwarded-For");
    std::string_view rest = joined;
    std::string_view ip;
    do {
      ip = TakeLast(rest);
    } while (!rest.empty() && trusted.Contains(ip));
    candidate = std::string(ip);
  }
  if (IsValidIp(candidate)) client.remote_ip = candidate;

  const char* const field = headers.Has("X-Scheme") ? "X-Scheme" : "X-Forwarded-Proto";
  if (headers.Has(field)) {
    const std::string joined = headers.GetJoined(field);
    std::string_view rest = joined;
    const std::string_view protocol = TakeLast(rest);
    if (protocol == "http" || protocol == "https") client.protocol = std::string(protocol);
  }
}

}  // namespace squall
