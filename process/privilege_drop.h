// Internal: becoming an ordinary user for good.
//
//   // In the master, before any fork; looks names up.
//   ASSIGN_OR_RETURN(std::optional<Identity> identity, internal::ResolveIdentity("www-data", ""));
//   // In the forked worker; system calls only.
//   if (identity.has_value()) RETURN_IF_ERROR(internal::DropPrivileges(*identity));
#ifndef SQUALL_PROCESS_PRIVILEGE_DROP_H_
#define SQUALL_PROCESS_PRIVILEGE_DROP_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace squall {

// Who a process is. All numbers, so that becoming it asks no name service.
struct Identity {
  std::string user = {};  // For messages: the name or number it was asked for by.
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};  // The supplementary groups, `gid` among them.
};

namespace internal {

// Looks up `user` and `group`, names or numbers. No group: the user's own. The supplementary groups
// are those of initgroups(3) for `user`; without a user, `group` alone. Nothing when both are empty
// or this process is that user and group already.
//
// May ask name services, which block and open files: in the master, before its loop. NOT_FOUND: no
// such user or group. INVALID_ARGUMENT: a number without a group of its own. PERMISSION_DENIED:
// this process may not become another user or group (CAP_SETUID, CAP_SETGID).
absl::StatusOr<std::optional<Identity>> ResolveIdentity(std::string_view user,
                                                        std::string_view group);

// The calling process is `identity` from now on: real, effective and saved ids, supplementary
// groups. Unless that is root, all capabilities are gone too, also where the kernel would have left
// them (SECBIT_NO_SETUID_FIXUP, a process that had them without being root), and it has been tried
// in vain to become root again. In a process with one thread. After an error it is somewhere in
// between and must end.
absl::Status DropPrivileges(const Identity& identity);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_PROCESS_PRIVILEGE_DROP_H_
