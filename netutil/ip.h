// Is this text an IP address?
//
//   if (squall::IsValidIp(forwarded_for)) remote_ip = forwarded_for;
//
#ifndef SQUALL_NETUTIL_IP_H_
#define SQUALL_NETUTIL_IP_H_

#include <string_view>

namespace squall {

// True for exactly one IPv4 address in four decimal parts or one IPv6 address as in RFC 4291 §2.2,
// with nothing before or after it. Mirrors tornado.netutil.is_valid_ip, but stricter: the old
// spellings that getaddrinfo takes ("127.1", "1", "0x7f.1") and scoped addresses ("fe80::1%eth0",
// which mean something on one machine only) are refused. Any thread; asks nobody.
bool IsValidIp(std::string_view text);

}  // namespace squall

#endif  // SQUALL_NETUTIL_IP_H_
