#include "squall/control/control_roles.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/process/account_lookup.h"
#include "squall/process/operation.h"

namespace squall {
namespace {

constexpr absl::string_view kUser = "user:";
constexpr absl::string_view kGroup = "group:";
constexpr absl::string_view kUri = "uri:";
constexpr absl::string_view kDns = "dns:";

absl::Status Refused(const std::string& what, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat(what, ": ", why.message()));
}

template <typename Map, typename Key>
void Raise(Map& map, Key key, ControlRole role) {
  ControlRole& present = map[std::move(key)];
  present = std::max(present, role);
}

}  // namespace

ControlRoles::ControlRoles() {
  users_[0] = ControlRole::kAdmin;
  users_[geteuid()] = ControlRole::kAdmin;
  owners_ = users_.size();
}

ControlRoles ControlRoles::Nobody() {
  ControlRoles roles;
  roles.users_.clear();
  roles.owners_ = 0;
  return roles;
}

void ControlRoles::AddUser(uid_t uid, ControlRole role) { Raise(users_, uid, role); }

absl::StatusOr<ControlRoles> ControlRoles::Resolve(const ControlRoleLists& lists) {
  ControlRoles roles;
  for (const std::string& entry : lists.viewers) {
    RETURN_IF_ERROR(roles.Add("control_viewers", entry, ControlRole::kViewer));
  }
  for (const std::string& entry : lists.operators) {
    RETURN_IF_ERROR(roles.Add("control_operators", entry, ControlRole::kOperator));
  }
  for (const std::string& entry : lists.admins) {
    RETURN_IF_ERROR(roles.Add("control_admins", entry, ControlRole::kAdmin));
  }
  return roles;
}

bool ControlRoles::IsEntry(std::string_view entry) {
  for (const absl::string_view kind : {kUser, kGroup, kUri, kDns}) {
    if (absl::StartsWith(ToAbsl(entry), kind)) return entry.size() > kind.size();
  }
  return false;
}

absl::Status ControlRoles::Add(std::string_view list, const std::string& entry, ControlRole role) {
  const std::string what = absl::StrCat(ToAbsl(list), ": \"", entry, "\"");
  if (!IsEntry(entry)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is not one of user:NAME, group:NAME, uri:URI and dns:NAME"));
  }
  const bool of_certificate = absl::StartsWith(entry, kUri) || absl::StartsWith(entry, kDns);
  if (of_certificate && entry.size() > kMaxActor) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has ", entry.size(),
                                                   " octets; a name may have ", kMaxActor,
                                                   " at most, so that the audit shows it whole"));
  }
  if (absl::StartsWith(entry, kUser)) {
    const absl::StatusOr<internal::Account> user = internal::FindUser(entry.substr(kUser.size()));
    if (!user.ok()) return Refused(what, user.status());
    Raise(users_, user->uid, role);
  } else if (absl::StartsWith(entry, kGroup)) {
    const absl::StatusOr<gid_t> gid = internal::FindGroup(entry.substr(kGroup.size()));
    if (!gid.ok()) return Refused(what, gid.status());
    Raise(groups_, *gid, role);
  } else if (absl::StartsWith(entry, kDns)) {
    Raise(certificates_, absl::AsciiStrToLower(entry), role);
  } else {
    Raise(certificates_, entry, role);
  }
  return absl::OkStatus();
}

ControlRole ControlRoles::OfUser(uid_t uid, std::span<const gid_t> groups) const {
  ControlRole role = ControlRole::kNone;
  if (const auto user = users_.find(uid); user != users_.end()) role = user->second;
  for (const gid_t gid : groups) {
    if (const auto group = groups_.find(gid); group != groups_.end()) {
      role = std::max(role, group->second);
    }
  }
  return role;
}

ControlRole ControlRoles::OfCertificate(std::span<const std::string> uris,
                                        std::span<const std::string> dns_names,
                                        std::string* name) const {
  ControlRole role = ControlRole::kNone;
  const auto look_at = [&](std::string key) {
    const auto found = certificates_.find(key);
    if (found == certificates_.end() || found->second <= role) return;
    role = found->second;
    *name = std::move(key);
  };
  for (const std::string& uri : uris) look_at(absl::StrCat(kUri, uri));
  for (const std::string& dns : dns_names) look_at(absl::StrCat(kDns, absl::AsciiStrToLower(dns)));
  return role;
}

}  // namespace squall
