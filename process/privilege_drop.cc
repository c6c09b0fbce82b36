#include "squall/process/privilege_drop.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/process/account_lookup.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

// (uid_t)-1 means "leave it" to the system calls.
constexpr uid_t kNoId = std::numeric_limits<uid_t>::max();
// What initgroups(3) would set.
std::vector<gid_t> GroupsOf(const std::string& user, gid_t gid) {
  int count = 32;
  for (;;) {
    std::vector<gid_t> groups(static_cast<size_t>(count));
    const int room = count;
    if (getgrouplist(user.c_str(), gid, groups.data(), &count) >= 0) {
      groups.resize(static_cast<size_t>(count));
      return groups;
    }
    if (count <= room) count = room * 2;
  }
}

absl::Status CheckMayBecome(const Identity& identity) {
  const bool other_user = identity.uid != geteuid() || identity.uid != getuid();
  if (other_user && !HasCapability(CAP_SETUID)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "only root (CAP_SETUID) may become user \"", identity.user, "\", and this process runs as ",
        "uid ", geteuid(), "; start it as root or leave the user empty"));
  }
  if (!HasCapability(CAP_SETGID)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "only root (CAP_SETGID) may change to group ", identity.gid, ", and this process runs as ",
        "uid ", geteuid(), "; start it as root or leave user and group empty"));
  }
  return absl::OkStatus();
}

// Succeeds only where it must not.
bool CanBecomeRoot() {
  return setresuid(kNoId, 0, kNoId) == 0 || setuid(0) == 0 || setresuid(0, 0, 0) == 0;
}

absl::Status CheckIds(const Identity& identity) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
      getresgid(&gids[0], &gids[1], &gids[2]) != 0) {
    return StatusFromErrno(errno, "getresuid");
  }
  for (int i = 0; i < 3; ++i) {
    if (uids[i] == identity.uid && gids[i] == identity.gid) continue;
    return absl::InternalError(absl::StrCat("the kernel left uid ", uids[i], " and gid ", gids[i],
                                            " instead of ", identity.uid, " and ", identity.gid));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<Identity>> ResolveIdentity(std::string_view user,
                                                        std::string_view group) {
  if (user.empty() && group.empty()) return std::nullopt;
  Identity identity{.user = std::string(user), .uid = geteuid()};
  std::optional<gid_t> gid;
  if (!group.empty()) {
    ASSIGN_OR_RETURN(gid, FindGroup(std::string(group)));
  }
  std::string name;
  if (!user.empty()) {
    ASSIGN_OR_RETURN(Account found, FindUser(identity.user));
    identity.uid = found.uid;
    name = std::move(found.name);
    if (!gid.has_value()) gid = found.gid;
    if (!gid.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("user \"", identity.user,
                                                     "\" is a number that no account has, so its ",
                                                     "group is unknown; name a group, too"));
    }
  }
  identity.gid = *gid;
  identity.groups = name.empty() ? std::vector<gid_t>{*gid} : GroupsOf(name, *gid);
  const bool same = identity.uid == geteuid() && identity.uid == getuid() &&
                    identity.gid == getegid() && identity.gid == getgid();
  if (same) return std::nullopt;
  RETURN_IF_ERROR(CheckMayBecome(identity));
  return identity;
}

absl::Status DropPrivileges(const Identity& identity) {
  // Each needs a capability that the last one takes away.
  if (setgroups(identity.groups.size(), identity.groups.data()) != 0) {
    return StatusFromErrno(errno, absl::StrCat("setgroups for user \"", identity.user, "\""));
  }
  if (setresgid(identity.gid, identity.gid, identity.gid) != 0) {
    return StatusFromErrno(errno, absl::StrCat("setresgid to ", identity.gid));
  }
  if (setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    return StatusFromErrno(errno, absl::StrCat("setresuid to ", identity.uid));
  }
  if (identity.uid != 0) {
    RETURN_IF_ERROR(ClearCapabilities());
    if (CanBecomeRoot()) {
      return absl::InternalError(
          absl::StrCat("after the change to user \"", identity.user, "\" root could be regained"));
    }
  }
  return CheckIds(identity);
}

}  // namespace squall::internal
