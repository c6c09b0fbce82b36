// The accept policies by name, for programs that compare them.
//
//   for (const NamedPolicy& named : kAcceptPolicies) Measure(named.policy);
#ifndef SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_
#define SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_

#include "squall/netutil/accept.h"

namespace squall::testing {

struct NamedPolicy {
  const char* name;
  AcceptPolicy policy;
};

inline constexpr NamedPolicy kAcceptPolicies[] = {{"kShared", AcceptPolicy::kShared},
                                                  {"kExclusive", AcceptPolicy::kExclusive},
                                                  {"kBalanced", AcceptPolicy::kBalanced}};

}  // namespace squall::testing

#endif  // SQUALL_TESTS_LOAD_ACCEPT_POLICIES_H_
