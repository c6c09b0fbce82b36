// Internal: for which Host the status listener answers. A page of somebody else's that an operator's
// browser shows can make its own name mean 127.0.0.1 and then read what listens there; the Host of
// such a request is that name.
//
//   const HostRule rule(options.allow_remote, options.hosts);
//   if (!rule.Allows(request.host_name())) …   // 421
//
// Immutable. Any thread.
#ifndef SQUALL_CONTROL_STATUS_HOST_RULE_H_
#define SQUALL_CONTROL_STATUS_HOST_RULE_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace squall::internal {

class HostRule {
 public:
  HostRule(bool allow_remote, std::vector<std::string> names)
      : allow_remote_(allow_remote), names_(std::move(names)) {}

  // `host` is in lower case and without a port; an IPv6 address may be in brackets.
  bool Allows(std::string_view host) const;

 private:
  bool allow_remote_;
  std::vector<std::string> names_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_HOST_RULE_H_
