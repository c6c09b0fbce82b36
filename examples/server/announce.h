// What //:server says when it serves: where, with which processes, and what to try.
//
//   serving http://127.0.0.1:8888/ http://[::1]:8888/
//     master 5574, workers 5947 5948
//     control unix:/run/squall/control.sock
//     status http://127.0.0.1:9090/
//   try
//     curl 'http://127.0.0.1:8888/?sleep=3'
//     bazel run admin -- resize 4
#ifndef SQUALL_EXAMPLES_SERVER_ANNOUNCE_H_
#define SQUALL_EXAMPLES_SERVER_ANNOUNCE_H_

#include <string>
#include <vector>

#include "squall/netutil/address.h"
#include "squall/process/pool_snapshot.h"

struct Announcement {
  std::vector<squall::SocketAddress> addresses = {};
  std::string static_root = {};  // Empty: none.
  std::string control = {};      // Empty: none.
  bool control_is_default = false;
  std::vector<squall::SocketAddress> control_tls = {};
  squall::SocketAddress status = {};  // Unspecified: none.
  std::string scheme = "http";
};

std::string Describe(const Announcement& announcement, const squall::PoolSnapshot& pool);

#endif  // SQUALL_EXAMPLES_SERVER_ANNOUNCE_H_
