#include "squall/control/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"
#include "squall/process/account_lookup.h"

namespace squall {
namespace {

// `path` was bound by this process just now.
absl::Status GiveTo(const std::string& path, const std::string& group, gid_t gid, mode_t mode) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found = {};
  if (!file.valid() || ::fstat(file.get(), &found) != 0) {
    return StatusFromErrno(errno, absl::StrCat("the control socket ", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process has just replaced the control socket ", path));
  }
  const std::string pinned = absl::StrCat("/proc/self/fd/", file.get());
  if (::fchownat(file.get(), "", static_cast<uid_t>(-1), gid, AT_EMPTY_PATH) != 0) {
    return StatusFromErrno(
        errno, absl::StrCat("cannot give the control socket ", path, " to group \"", group, "\""));
  }
  // chown(2) clears no bit of a socket that matters, but the mode must be the one that was asked for.
  if (::chmod(pinned.c_str(), mode) != 0) {
    return StatusFromErrno(errno, absl::StrCat("the mode of the control socket ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListenSocket> BindControlSocket(std::string_view path,
                                               const ControlSocketOptions& options) {
  if (options.group.empty()) return BindUnixSocket(path, {.mode = options.mode});
  ASSIGN_OR_RETURN(const gid_t gid, internal::FindGroup(options.group));
  // What the mode grants to a group is for `group` alone.
  ASSIGN_OR_RETURN(ListenSocket socket, BindUnixSocket(path, {.mode = options.mode & ~0070u}));
  if (socket.inherited()) return socket;
  const std::string file(path);
  if (absl::Status given = GiveTo(file, options.group, gid, options.mode); !given.ok()) {
    ::unlink(file.c_str());
    return given;
  }
  return socket;
}

}  // namespace squall
