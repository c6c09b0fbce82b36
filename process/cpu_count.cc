#include "squall/process/cpu_count.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "squall/base/string_view.h"

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

// In mountinfo, space, tab, newline and backslash are written in octal.
std::string Unescape(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text),
                             {{"\\040", " "}, {"\\011", "\t"}, {"\\012", "\n"}, {"\\134", "\\"}});
}

struct CgroupMount {
  std::string root;  // The group that the mount shows at its top.
  std::string point;
  bool v2 = false;
  std::vector<std::string> controllers;  // v1: the superblock options, "rw", "cpu", "cpuacct".
};

std::vector<CgroupMount> CgroupMounts(const std::string& root) {
  std::vector<CgroupMount> mounts;
  for (absl::string_view line : absl::StrSplit(ReadFile(root + "/proc/self/mountinfo"), '\n')) {
    // 36 35 98:0 /root /point options [optional…] - type source super_options
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<std::string> left = absl::StrSplit(halves.first, ' ');
    const std::vector<std::string> right = absl::StrSplit(halves.second, ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    if (right[0] != "cgroup" && right[0] != "cgroup2") continue;
    mounts.push_back({.root = Unescape(left[3]),
                      .point = Unescape(left[4]),
                      .v2 = right[0] == "cgroup2",
                      .controllers = absl::StrSplit(right[2], ',')});
  }
  return mounts;
}

// Where below the mount point the group `path` is: containers see their own group at the top.
std::string BelowMount(const CgroupMount& mount, const std::string& path) {
  if (mount.root == "/") return path;
  if (path == mount.root) return "/";
  if (absl::StartsWith(path, mount.root + "/")) return path.substr(mount.root.size());
  return "/";
}

}  // namespace

namespace internal {

int CpuCountFrom(const std::string& root, int affinity) {
  const std::vector<CgroupMount> mounts = CgroupMounts(root);
  double cpus = std::max(affinity, 1);
  for (absl::string_view line : absl::StrSplit(ReadFile(root + "/proc/self/cgroup"), '\n')) {
    // "0::/user.slice" (v2) or "4:cpu,cpuacct:/docker/1f" (v1).
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const bool v2 = fields[1].empty();
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    const auto has_cpu = [](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), "cpu") != names.end();
    };
    if (!v2 && !has_cpu(controllers)) continue;
    for (const CgroupMount& mount : mounts) {
      if (mount.v2 != v2 || (!v2 && !has_cpu(mount.controllers))) continue;
      const std::string point = root + mount.point;
      const std::string group = BelowMount(mount, fields[2]);
      cpus = std::min(
          cpus, v2 ? SmallestQuota(point, group, QuotaV2) : SmallestQuota(point, group, QuotaV1));
    }
  }
  // Half a processor still needs a worker.
  return std::max(1, static_cast<int>(std::ceil(cpus)));
}

}  // namespace internal

int CpuCount() {
  // The kernel's mask may be larger than a cpu_set_t; it says so with EINVAL.
  for (size_t cpus = CPU_SETSIZE; cpus <= (size_t{1} << 20); cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    const size_t size = CPU_ALLOC_SIZE(cpus);
    const int result = sched_getaffinity(0, size, set);
    const int error = errno;
    const int count = result == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (result == 0) return internal::CpuCountFrom("", count);
    if (error != EINVAL) break;
  }
  return internal::CpuCountFrom("", static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace squall
