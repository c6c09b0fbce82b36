// Internal: is a text the address of a machine, and of this machine alone?
//
//   IsLoopback("127.0.0.1");      // true, and for "::1"
//   IsIpAddress("192.0.2.1");     // true; IsLoopback() is false
//   IsLoopback("localhost");      // false: a name
//
// Pure. Any thread.
#ifndef SQUALL_CONTROL_STATUS_LOOPBACK_H_
#define SQUALL_CONTROL_STATUS_LOOPBACK_H_

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

namespace squall::internal {

inline bool IsIpAddress(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

inline bool IsLoopback(const std::string& text) {
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_STATUS_LOOPBACK_H_
