// The accept policies by name, for programs that compare them.
//
//   for (const NamedPolicy& named : PoliciesOrExit(absl::GetFlag(FLAGS_policy))) Measure(named);
#ifndef SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_
#define SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_

#include <string_view>
#include <vector>

#include "squall/netutil/accept.h"

namespace squall::testing {

struct NamedPolicy {
  const char* name;
  AcceptPolicy policy;
};

// The policy called `name`, or all of them when that is empty. Exits with a usage error if there is
// none of that name.
std::vector<NamedPolicy> PoliciesOrExit(std::string_view name);

}  // namespace squall::testing

#endif  // SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_
