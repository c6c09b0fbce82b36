// For tests: what the kernel holds of a server's connections, in either direction.
//
//   EXPECT_EQ(KernelQueuesOf(server.port()).sockets, 0u);
#ifndef SQUALL_HTTPSERVER_KERNEL_QUEUES_H_
#define SQUALL_HTTPSERVER_KERNEL_QUEUES_H_

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"

namespace squall {

struct KernelQueues {
  size_t sockets = 0;   // those that listen and those that wait for old segments (TIME_WAIT) apart
  uint64_t unsent = 0;  // octets without an acknowledgement
  uint64_t unread = 0;  // octets that the server has not read
};

// Of the connections whose local port is `port`, over IPv4, from /proc/net/tcp (proc(5)).
inline KernelQueues KernelQueuesOf(uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  const std::string local = absl::StrFormat(":%04X", port);
  KernelQueues queues;
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string number, from, to, state, octets;
    fields >> number >> from >> to >> state >> octets;
    constexpr char kListens[] = "0A";
    constexpr char kTimeWait[] = "06";
    if (!from.ends_with(local) || state == kListens || state == kTimeWait) continue;
    ++queues.sockets;
    queues.unsent += std::stoull(octets.substr(0, 8), nullptr, 16);
    queues.unread += std::stoull(octets.substr(9), nullptr, 16);
  }
  return queues;
}

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_KERNEL_QUEUES_H_
