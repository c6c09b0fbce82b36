#include "squall/process/account_lookup.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

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

std::optional<uid_t> ParseId(std::string_view text) {
  uid_t id;
  if (!absl::SimpleAtoi(ToAbsl(text), &id) || id == kNoId) return std::nullopt;
  return id;
}

}  // namespace

absl::StatusOr<Account> FindUser(const std::string& user) {
  const std::string what = absl::StrCat("user \"", user, "\"");
  passwd entry;
  std::vector<char> buffer;
  ASSIGN_OR_RETURN(const passwd* found,
                   LookUp<passwd>(what, buffer, [&](char* data, size_t size, passwd** result) {
                     return getpwnam_r(user.c_str(), &entry, data, size, result);
                   }));
  if (found != nullptr) return Account{found->pw_uid, found->pw_gid, found->pw_name};
  const std::optional<uid_t> uid = ParseId(user);
  if (!uid.has_value()) return absl::NotFoundError(absl::StrCat(what, " does not exist"));
  ASSIGN_OR_RETURN(found,
                   LookUp<passwd>(what, buffer, [&](char* data, size_t size, passwd** result) {
                     return getpwuid_r(*uid, &entry, data, size, result);
                   }));
  if (found != nullptr) return Account{found->pw_uid, found->pw_gid, found->pw_name};
  return Account{*uid, std::nullopt, ""};
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

}  // namespace squall::internal
