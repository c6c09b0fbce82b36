#include "squall/control/peer_user.h"

#include <errno.h>
#include <sys/socket.h>

#include <vector>

#include "squall/base/status.h"

namespace squall::internal {

absl::StatusOr<PeerUser> PeerOf(int connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return StatusFromErrno(errno, "SO_PEERCRED");
  }
  std::vector<gid_t> groups(32);
  while (true) {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool fits = getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    if (!fits && errno != ERANGE) return StatusFromErrno(errno, "SO_PEERGROUPS");
    // What it needs, when it did not fit.
    groups.resize(size / sizeof(gid_t));
    if (fits) break;
  }
  groups.push_back(peer.gid);
  return PeerUser{.pid = peer.pid, .uid = peer.uid, .groups = std::move(groups)};
}

}  // namespace squall::internal
