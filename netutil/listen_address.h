// Where to listen, as an operator writes it on a command line or in a file.
//
//   ASSIGN_OR_RETURN(ListenAddress address, ListenAddress::Parse("localhost:8888"));
//   ASSIGN_OR_RETURN(std::vector<ListenSocket> sockets, Bind(address, {.backlog = 1024}));
//
//   localhost:8888        all addresses of a name
//   127.0.0.1:8888, [::1]:8888
//   :8888                 every interface
//   localhost:0           any port that is free, the same one on all addresses
//   unix:/run/app.sock    a unix socket; unix-abstract:NAME one without a file
//
// Parse() asks nobody and Bind() blocks as BindSockets() does. Any process.
#ifndef SQUALL_NETUTIL_LISTEN_ADDRESS_H_
#define SQUALL_NETUTIL_LISTEN_ADDRESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"

namespace squall {

struct ListenAddress {
  // InvalidArgument with the text, what is wrong with it and what would be right.
  static absl::StatusOr<ListenAddress> Parse(std::string_view text);

  // Of a unix socket, as for BindUnixSocket(); empty for TCP.
  std::string unix_path = {};
  // A name or a number without brackets; empty: every interface.
  std::string host = {};
  uint16_t port = 0;

  bool is_unix() const { return !unix_path.empty(); }
};

struct ListenAddressOptions {
  int backlog = 1024;  // BindOptions::backlog
  mode_t unix_mode = 0600;
};

// BindSockets() or BindUnixSocket(), with their errors.
absl::StatusOr<std::vector<ListenSocket>> Bind(const ListenAddress& address,
                                               const ListenAddressOptions& options = {});

}  // namespace squall

#endif  // SQUALL_NETUTIL_LISTEN_ADDRESS_H_
