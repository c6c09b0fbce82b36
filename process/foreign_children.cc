#include "squall/process/foreign_children.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"

namespace squall {
namespace {

// The pid of a child that has ended, as waitid(2) finds it; nothing when there is none.
std::optional<pid_t> Wait(idtype_t type, pid_t pid, int options) {
  siginfo_t info = {};
  int result;
  do {
    result = waitid(type, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | options);
  } while (result != 0 && errno == EINTR);
  if (result != 0 || info.si_pid == 0) return std::nullopt;
  return info.si_pid;
}

// All children, also those that live; see proc(5). Read before any of them is reaped, for the list
// is reliable only as long as it does not change.
std::vector<pid_t> Children() {
  const pid_t self = getpid();
  std::ifstream file(absl::StrCat("/proc/", self, "/task/", self, "/children"));
  std::vector<pid_t> children;
  for (pid_t pid; file >> pid;) children.push_back(pid);
  return children;
}

}  // namespace

bool IsReaper() {
  int subreaper = 0;
  return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper != 0);
}

int ReapForeignChildren(absl::FunctionRef<bool(pid_t)> known) {
  int reaped = 0;
  const auto reap = [&reaped](pid_t pid) {
    if (Wait(P_PID, pid, 0).has_value()) ++reaped;
  };
  // Mostly one call and nothing to do, or one after the other from the front.
  std::optional<pid_t> first;
  while ((first = Wait(P_ALL, 0, WNOWAIT)).has_value() && !known(*first)) reap(*first);
  if (!first.has_value()) return reaped;
  // waitid would name the known one again and again: look behind it.
  for (const pid_t pid : Children()) {
    if (!known(pid)) reap(pid);
  }
  return reaped;
}

}  // namespace squall
