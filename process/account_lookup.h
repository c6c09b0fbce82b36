// Internal: users and groups of the system by name or number.
//
//   ASSIGN_OR_RETURN(const Account user, internal::FindUser("www-data"));
//   ASSIGN_OR_RETURN(const gid_t gid, internal::FindGroup("33"));
//
// Both may ask name services, which block and open files: not in a loop, not after a fork from a
// process with threads. NOT_FOUND: "user \"x\" does not exist", else what the name service said.
#ifndef SQUALL_PROCESS_ACCOUNT_LOOKUP_H_
#define SQUALL_PROCESS_ACCOUNT_LOOKUP_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace squall::internal {

struct Account {
  uid_t uid = 0;
  std::optional<gid_t> gid = {};  // Nothing for a number that no entry has.
  std::string name = {};          // "" for a number that no entry has.
};

absl::StatusOr<Account> FindUser(const std::string& user);
absl::StatusOr<gid_t> FindGroup(const std::string& name);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_ACCOUNT_LOOKUP_H_
