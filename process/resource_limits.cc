#include "squall/process/resource_limits.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/process/capabilities.h"

namespace squall::internal {
namespace {

struct Resource {
  const char* name;
  int number;
};

constexpr std::array<Resource, 16> kResources = {{{"as", RLIMIT_AS},
                                                  {"core", RLIMIT_CORE},
                                                  {"cpu", RLIMIT_CPU},
                                                  {"data", RLIMIT_DATA},
                                                  {"fsize", RLIMIT_FSIZE},
                                                  {"locks", RLIMIT_LOCKS},
                                                  {"memlock", RLIMIT_MEMLOCK},
                                                  {"msgqueue", RLIMIT_MSGQUEUE},
                                                  {"nice", RLIMIT_NICE},
                                                  {"nofile", RLIMIT_NOFILE},
                                                  {"nproc", RLIMIT_NPROC},
                                                  {"rss", RLIMIT_RSS},
                                                  {"rtprio", RLIMIT_RTPRIO},
                                                  {"rttime", RLIMIT_RTTIME},
                                                  {"sigpending", RLIMIT_SIGPENDING},
                                                  {"stack", RLIMIT_STACK}}};

absl::StatusOr<int> NumberOf(const std::string& name) {
  for (const Resource& resource : kResources) {
    if (name == resource.name) return resource.number;
  }
  const auto append_name = [](std::string* out, const Resource& resource) {
    absl::StrAppend(out, resource.name);
  };
  return absl::InvalidArgumentError(absl::StrCat("limit \"", name, "\" does not exist; there are ",
                                                 absl::StrJoin(kResources, ", ", append_name)));
}

std::string Format(uint64_t value) {
  return value == kUnlimited ? "unlimited" : absl::StrCat(value);
}

// A hard limit of descriptors above it is refused to root, too.
uint64_t MostDescriptors() {
  uint64_t most = kUnlimited;
  std::ifstream("/proc/sys/fs/nr_open") >> most;
  return most == 0 ? kUnlimited : most;
}

}  // namespace

absl::StatusOr<ResolvedLimit> ResolveLimit(const ResourceLimit& limit) {
  const auto number = NumberOf(limit.resource);
  if (!number.ok()) return number.status();
  if (!limit.soft.has_value() && !limit.hard.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit ", limit.resource, " has neither a soft nor a hard value"));
  }
  rlimit now = {};
  if (getrlimit(static_cast<__rlimit_resource_t>(*number), &now) != 0) {
    return StatusFromErrno(errno, absl::StrCat("getrlimit of ", limit.resource));
  }
  rlimit value = {};
  value.rlim_max = limit.hard.value_or(now.rlim_max);
  value.rlim_cur = limit.soft.value_or(std::min(now.rlim_cur, value.rlim_max));
  if (value.rlim_cur > value.rlim_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        "limit ", limit.resource, ": soft ", Format(value.rlim_cur), " is above hard ",
        Format(value.rlim_max), limit.hard.has_value() ? "" : ", which this process has"));
  }
  if (*number == RLIMIT_NOFILE && value.rlim_max > MostDescriptors()) {
    return absl::InvalidArgumentError(absl::StrCat("limit nofile: hard ", Format(value.rlim_max),
                                                   " is above ", MostDescriptors(),
                                                   ", the system's limit in /proc/sys/fs/nr_open"));
  }
  if (value.rlim_max > now.rlim_max && !HasCapability(CAP_SYS_RESOURCE)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "limit ", limit.resource, ": hard ", Format(value.rlim_max), " is above ",
        Format(now.rlim_max), ", which this process has, and only CAP_SYS_RESOURCE may raise it"));
  }
  return ResolvedLimit{limit.resource, *number, value};
}

absl::Status SetLimit(const ResolvedLimit& limit) {
  if (setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &limit.value) == 0) {
    return absl::OkStatus();
  }
  return StatusFromErrno(
      errno, absl::StrCat("limit ", limit.name, " to soft ", Format(limit.value.rlim_cur),
                          " and hard ", Format(limit.value.rlim_max)));
}

}  // namespace squall::internal
