#include "squall/control/status/host_rule.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "squall/control/status/loopback.h"

namespace squall::internal {

bool HostRule::Allows(std::string_view host) const {
  if (host == "localhost") return true;
  if (std::find(names_.begin(), names_.end(), host) != names_.end()) return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const std::string address(host);
  return allow_remote_ ? IsIpAddress(address) : IsLoopback(address);
}

}  // namespace squall::internal
