#include "squall/tests/load/accept_policies.h"

#include "absl/strings/str_cat.h"
#include "squall/base/flags.h"
#include "squall/base/string_view.h"

namespace squall::testing {

std::vector<NamedPolicy> PoliciesOrExit(std::string_view name) {
  const std::vector<NamedPolicy> all = {{"kShared", AcceptPolicy::kShared},
                                        {"kExclusive", AcceptPolicy::kExclusive},
                                        {"kBalanced", AcceptPolicy::kBalanced},
                                        {"kReusePort", AcceptPolicy::kReusePort}};
  if (name.empty()) return all;
  for (const NamedPolicy& named : all) {
    if (named.name == name) return {named};
  }
  ExitWithUsageError(absl::StrCat("--policy=", ToAbsl(name),
                                  ": kShared, kExclusive, kBalanced and kReusePort are possible"));
}

}  // namespace squall::testing
