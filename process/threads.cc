#include "squall/process/threads.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/status.h"

namespace squall::internal {

absl::Status CheckSingleThreaded() {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/task"), closedir);
  if (directory == nullptr) {
    return StatusFromErrno(errno, "cannot count this process's threads in /proc/self/task");
  }
  const std::string self = absl::StrCat(getpid());
  int threads = 0;
  std::vector<std::string> others;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    ++threads;
    if (name == self) continue;
    std::string comm;
    std::ifstream stream(absl::StrCat("/proc/self/task/", name, "/comm"));
    std::getline(stream, comm);
    others.push_back(absl::StrCat(name, " (", comm, ")"));
  }
  if (threads == 1) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "this process has ", threads, " threads (besides the main one: ", absl::StrJoin(others, ", "),
      "), and forking it would leave their locks locked in the child; start threads, gRPC and "
      "executors after ForkProcesses, in the workers"));
}

}  // namespace squall::internal
