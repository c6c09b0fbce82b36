#include "squall/process/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "squall/base/string_view.h"

namespace squall::internal {
namespace {

// Lines of a file; none for one that cannot be read.
std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return absl::StrSplit(text.str(), '\n', absl::SkipEmpty());
}

// In mountinfo, space, tab, newline and backslash are written in octal.
std::string Unescape(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text),
                             {{"\\040", " "}, {"\\011", "\t"}, {"\\012", "\n"}, {"\\134", "\\"}});
}

struct Mount {
  std::string root;  // The group that the mount shows at its top.
  std::string point;
  bool v2 = false;
  std::vector<std::string> controllers;  // v1: the superblock options, "rw", "cpu", "cpuacct".
};

std::vector<Mount> Mounts(const std::string& root) {
  std::vector<Mount> mounts;
  for (const std::string& line : LinesOf(root + "/proc/self/mountinfo")) {
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
std::string BelowMount(const Mount& mount, const std::string& path) {
  if (mount.root == "/") return path;
  if (absl::StartsWith(path, mount.root + "/")) return path.substr(mount.root.size());
  return "/";
}

bool Has(const std::vector<std::string>& controllers, std::string_view controller) {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

}  // namespace

std::vector<Cgroup> CgroupsOf(const std::string& root, const std::string& process,
                              std::string_view controller) {
  const std::vector<Mount> mounts = Mounts(root);
  std::vector<Cgroup> groups;
  for (const std::string& line : LinesOf(absl::StrCat(root, "/proc/", process, "/cgroup"))) {
    // "0::/user.slice" (v2) or "4:cpu,cpuacct:/docker/1f" (v1).
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const bool v2 = fields[1].empty();
    if (!v2 && !Has(absl::StrSplit(fields[1], ','), controller)) continue;
    for (const Mount& mount : mounts) {
      if (mount.v2 != v2 || (!v2 && !Has(mount.controllers, controller))) continue;
      groups.push_back(
          {.mount = root + mount.point, .path = BelowMount(mount, fields[2]), .v2 = v2});
    }
  }
  return groups;
}

}  // namespace squall::internal
