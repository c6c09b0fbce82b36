// Who may do what with the control plane: names of users, groups and certificates, and their roles.
//
//   absl::StatusOr<squall::ControlRoles> roles = squall::ControlRoles::Resolve(
//       {.viewers = {"group:monitoring"},
//        .operators = {"user:deploy", "uri:spiffe://example.org/deploy"}});
//   if (!roles.ok()) return roles.status();  // "control_viewers: \"group:monitoring\" is not a …"
//   options.roles = *std::move(roles);       // of ControlOptions
//
// Root and the user of the process that calls this are admins, whatever is said. Everybody else has
// the highest role that an entry gives to the user, to one of its groups, or to one of the names in
// its certificate; without one he has none and is not let in.
#ifndef SQUALL_CONTROL_CONTROL_ROLES_H_
#define SQUALL_CONTROL_CONTROL_ROLES_H_

#include <sys/types.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace squall {

// In ascending order; the numbers are those of squall.control.v1.Role.
enum class ControlRole { kNone = 0, kViewer = 1, kOperator = 2, kAdmin = 3 };

// Each entry is one of
//   user:NAME    or the number of one
//   group:NAME   or the number of one; supplementary groups count
//   uri:URI      a subjectAltName of a certificate, which has to be just this: "uri:spiffe://a/b"
//   dns:NAME     likewise; capitals are no difference, and "*" stands for nothing but itself
struct ControlRoleLists {
  std::vector<std::string> viewers = {};
  std::vector<std::string> operators = {};
  std::vector<std::string> admins = {};
};

class ControlRoles {
 public:
  // Root and the user of this process.
  ControlRoles();
  static ControlRoles Nobody();

  // Looks the names up, so that it may ask name services, which block: in the master, before its loop.
  // INVALID_ARGUMENT for an entry that is of none of these kinds, NOT_FOUND for a user or a group that
  // there is not; the sentence names the list as the configuration does, and the entry.
  static absl::StatusOr<ControlRoles> Resolve(const ControlRoleLists& lists);

  // As an entry; the highest role counts.
  void AddUser(uid_t uid, ControlRole role);

  // Is `entry` of one of these kinds? Looks nothing up.
  static bool IsEntry(std::string_view entry);

  // Any thread.
  ControlRole OfUser(uid_t uid, std::span<const gid_t> groups) const;

  // The role of a certificate that has been verified, by its names. `name`: the one that gave it, as
  // in its entry; of several the first of the highest role.
  ControlRole OfCertificate(std::span<const std::string> uris,
                            std::span<const std::string> dns_names, std::string* name) const;

  // Does any entry name a user or a group? They have to get to the socket, then.
  bool names_users() const { return users_.size() + groups_.size() > owners_; }
  bool names_certificates() const { return !certificates_.empty(); }

 private:
  absl::Status Add(std::string_view list, const std::string& entry, ControlRole role);

  std::map<uid_t, ControlRole> users_;
  std::map<gid_t, ControlRole> groups_;
  std::map<std::string, ControlRole, std::less<>> certificates_;  // "uri:…", "dns:…"
  size_t owners_ = 0;
};

}  // namespace squall

#endif  // SQUALL_CONTROL_CONTROL_ROLES_H_
