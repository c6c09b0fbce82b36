#include "squall/process/threads.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/status.h"

namespace squall::internal {
namespace {

constexpr char kTasks[] = "/proc/self/task";

}  // namespace

absl::Status CheckSingleThreaded() {
  // One call instead of a walk through the folder: "." and ".." are links, and each thread is one.
  struct stat folder;
  if (stat(kTasks, &folder) == 0 && folder.st_nlink == 2 + 1) return absl::OkStatus();

  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(kTasks), closedir);
  if (directory == nullptr) {
    return StatusFromErrno(errno, absl::StrCat("cannot count this process's threads in ", kTasks));
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
    std::ifstream stream(absl::StrCat(kTasks, "/", name, "/comm"));
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
