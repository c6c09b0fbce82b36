// Internal: the capabilities(7) of the calling thread, without libcap: two system calls.
//
//   if (!internal::HasCapability(CAP_SYS_NICE)) ...   // <linux/capability.h>
#ifndef SQUALL_PROCESS_CAPABILITIES_H_
#define SQUALL_PROCESS_CAPABILITIES_H_

#include "absl/status/status.h"

namespace squall::internal {

// Is `capability` in the effective set?
bool HasCapability(int capability);

// Empties the effective, permitted, inheritable and ambient sets, for good.
absl::Status ClearCapabilities();

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_CAPABILITIES_H_
