// Internal: where the control groups of a process are in the file system, v1 and v2.
//
//   for (const internal::Cgroup& group : internal::CgroupsOf("", "self", "memory")) {
//     ReadFile(group.directory() + (group.v2 ? "/memory.max" : "/memory.limit_in_bytes"));
//   }
#ifndef SQUALL_PROCESS_CGROUP_H_
#define SQUALL_PROCESS_CGROUP_H_

#include <string>
#include <string_view>
#include <vector>

namespace squall::internal {

struct Cgroup {
  std::string mount;  // Where this process sees the hierarchy.
  std::string path;   // The group in it: "/a/b", or "/" for its top.
  bool v2 = false;

  std::string directory() const { return path == "/" ? mount : mount + path; }
};

// The groups that `process` (a pid, or "self") is in, of v1 hierarchies with `controller` and of
// v2, which has all. Empty when nothing can be read. Reads files of /proc, below `root` ("" for the
// real one). See cgroups(7) and, for containers, that see a part of the hierarchy, proc(5) on
// mountinfo.
std::vector<Cgroup> CgroupsOf(const std::string& root, const std::string& process,
                              std::string_view controller);

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_CGROUP_H_
