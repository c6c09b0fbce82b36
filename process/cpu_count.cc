#include "squall/process/cpu_count.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/string_view.h"
#include "squall/process/cgroup.h"
#include "squall/process/cpu_affinity.h"

namespace squall {
namespace {

// "" for a file that cannot be read: a machine without that kind of limit.
std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

double Quota(std::string_view quota, std::string_view period) {
  int64_t quota_us, period_us;
  // "max" (v2) and "-1" (v1) mean that there is no limit.
  if (!absl::SimpleAtoi(ToAbsl(quota), &quota_us) ||
      !absl::SimpleAtoi(ToAbsl(period), &period_us) || quota_us <= 0 || period_us <= 0) {
    return kUnlimited;
  }
  return static_cast<double>(quota_us) / static_cast<double>(period_us);
}

double QuotaV2(const std::string& directory) {
  const std::string text = ReadFile(directory + "/cpu.max");
  const std::vector<std::string> fields =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return fields.size() < 2 ? kUnlimited : Quota(fields[0], fields[1]);
}

double QuotaV1(const std::string& directory) {
  return Quota(ReadFile(directory + "/cpu.cfs_quota_us"),
               ReadFile(directory + "/cpu.cfs_period_us"));
}

// The smallest quota from the group up to the root of its hierarchy: each one binds.
template <typename ReadQuota>
double SmallestQuota(const std::string& mount, std::string group, ReadQuota read) {
  double quota = kUnlimited;
  while (true) {
    quota = std::min(quota, read(absl::StrCat(mount, group == "/" ? "" : group)));
    const size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return quota;
    group.resize(slash);
  }
}

}  // namespace

namespace internal {

int CpuCountFrom(const std::string& root, int affinity) {
  double cpus = std::max(affinity, 1);
  for (const Cgroup& group : CgroupsOf(root, "self", "cpu")) {
    cpus = std::min(cpus, group.v2 ? SmallestQuota(group.mount, group.path, QuotaV2)
                                   : SmallestQuota(group.mount, group.path, QuotaV1));
  }
  // Half a processor still needs a worker.
  return std::max(1, static_cast<int>(std::ceil(cpus)));
}

}  // namespace internal

int CpuCount() {
  const absl::StatusOr<std::vector<int>> allowed = internal::AllowedCpus();
  return internal::CpuCountFrom("", allowed.ok() ? static_cast<int>(allowed->size())
                                                 : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace squall
