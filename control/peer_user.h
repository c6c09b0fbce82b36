// Internal: which user is at the other end of a unix socket, as the kernel says.
//
//   ASSIGN_OR_RETURN(const PeerUser peer, internal::PeerOf(connection.get()));
//   if (roles.OfUser(peer.uid, peer.groups) == ControlRole::kNone) return;  // closes it
#ifndef SQUALL_CONTROL_PEER_USER_H_
#define SQUALL_CONTROL_PEER_USER_H_

#include <sys/types.h>

#include <vector>

#include "absl/status/statusor.h"

namespace squall::internal {

struct PeerUser {
  // At the time of the connect(2). The pid may be another process' by now: for the log alone.
  pid_t pid = 0;
  uid_t uid = 0;
  // Effective and supplementary ones, each of which may be there twice.
  std::vector<gid_t> groups = {};
};

// SO_PEERCRED and SO_PEERGROUPS, which nobody can forge. What getsockopt(2) said when `connection` is
// no connected unix socket.
absl::StatusOr<PeerUser> PeerOf(int connection);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_PEER_USER_H_
