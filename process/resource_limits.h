// Internal: limits of a process by name.
//
//   ASSIGN_OR_RETURN(ResolvedLimit limit,
//                    internal::ResolveLimit({.resource = "nofile", .soft = 65536}));
//   RETURN_IF_ERROR(internal::SetLimit(limit));
#ifndef SQUALL_PROCESS_RESOURCE_LIMITS_H_
#define SQUALL_PROCESS_RESOURCE_LIMITS_H_

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace squall {

inline constexpr uint64_t kUnlimited = RLIM_INFINITY;

// One limit of setrlimit(2), in its unit there. What is left out stays as it is, but for a soft
// limit that would be above the hard one and follows it down.
struct ResourceLimit {
  // The name in small letters: "as", "core", "cpu", "data", "fsize", "locks", "memlock",
  // "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack".
  std::string resource = {};
  std::optional<uint64_t> soft = {};
  std::optional<uint64_t> hard = {};
};

// A limit as setrlimit(2) takes it.
struct ResolvedLimit {
  std::string name = {};
  int resource = 0;
  rlimit value = {};
};

namespace internal {

// Completes `limit` by the calling process's present limits. INVALID_ARGUMENT: no such resource,
// nothing set, the soft limit above the hard one, "nofile" above /proc/sys/fs/nr_open.
// PERMISSION_DENIED: a hard limit above the present one without CAP_SYS_RESOURCE.
absl::StatusOr<ResolvedLimit> ResolveLimit(const ResourceLimit& limit);

// setrlimit(2) for the calling process and what it forks.
absl::Status SetLimit(const ResolvedLimit& limit);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_PROCESS_RESOURCE_LIMITS_H_
