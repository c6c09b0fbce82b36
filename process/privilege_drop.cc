#include "squall/process/privilege_drop.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
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

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

// (uid_t)-1 means "leave it" to the system calls.
constexpr uid_t kNoId = std::numeric_limits<uid_t>::max();
constexpr size_t kMostEntryOctets = size_t{1} << 20;

// Calls `lookup(buffer, size, &found)`, one of getpwnam_r's family, with a buffer that grows until
// the entry fits. An entry that is not there is null.
template <typename Entry, typename Lookup>
absl::StatusOr<const Entry*> LookUp(std::string_view what, std::vector<char>& buffer,
                                    Lookup lookup) {
  for (buffer.resize(1024);; buffer.resize(buffer.size() * 2)) {
    Entry* found = nullptr;
    const int error = lookup(buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kMostEntryOctets) continue;
    // Some name services report what they do not know as an error, see getpwnam(3).
    if (error == 0 || error == ENOENT || error == ESRCH) return found;
    if (error != EINTR) return StatusFromErrno(error, absl::StrCat("look up ", ToAbsl(what)));
  }
}

struct User {
  uid_t uid;
  std::optional<gid_t> gid;  // Nothing for a number that no entry has.
  std::string name;          // "" for a number that no entry has.
};

std::optional<uid_t> ParseId(std::string_view text) {
  uid_t id;
  if (!absl::SimpleAtoi(ToAbsl(text), &id) || id == kNoId) return std::nullopt;
  return id;
}

absl::StatusOr<User> FindUser(const std::string& user) {
  const std::string what = absl::StrCat("user \"", user, "\"");
  passwd entry;
  std::vector<char> buffer;
  ASSIGN_OR_RETURN(const passwd* found,
                   LookUp<passwd>(what, buffer, [&](char* data, size_t size, passwd** result) {
                     return getpwnam_r(user.c_str(), &entry, data, size, result);
                   }));
  if (found != nullptr) return User{found->pw_uid, found->pw_gid, found->pw_name};
  const std::optional<uid_t> uid = ParseId(user);
  if (!uid.has_value()) return absl::NotFoundError(absl::StrCat(what, " does not exist"));
  ASSIGN_OR_RETURN(found,
                   LookUp<passwd>(what, buffer, [&](char* data, size_t size, passwd** result) {
                     return getpwuid_r(*uid, &entry, data, size, result);
                   }));
  if (found != nullptr) return User{found->pw_uid, found->pw_gid, found->pw_name};
  return User{*uid, std::nullopt, ""};
}

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  const std::string what = absl::StrCat("group \"", name, "\"");
  group entry;
  std::vector<char> buffer;
  ASSIGN_OR_RETURN(const group* found,
                   LookUp<group>(what, buffer, [&](char* data, size_t size, group** result) {
                     return getgrnam_r(name.c_str(), &entry, data, size, result);
                   }));
  if (found != nullptr) return found->gr_gid;
  const std::optional<gid_t> gid = ParseId(name);
  if (!gid.has_value()) return absl::NotFoundError(absl::StrCat(what, " does not exist"));
  return *gid;
}

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
    ASSIGN_OR_RETURN(User found, FindUser(identity.user));
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
