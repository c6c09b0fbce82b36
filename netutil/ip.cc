#include "squall/netutil/ip.h"

#include <arpa/inet.h>

#include <cstring>

namespace squall {

bool IsValidIp(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  in6_addr ignored;
  return ::inet_pton(AF_INET, terminated, &ignored) == 1 ||
         ::inet_pton(AF_INET6, terminated, &ignored) == 1;
}

}  // namespace squall
