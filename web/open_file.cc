#include "squall/web/open_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

namespace {

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// For kernels and sandboxes without openat2: step by step, and no symbolic link at all.
UniqueFd OpenWithoutLinks(int root, const std::string& path) {
  UniqueFd at(::dup(root));
  for (const absl::string_view segment : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    UniqueFd next(::openat(at.get(), std::string(segment).c_str(), kOpenFlags | O_NOFOLLOW));
    if (!next.valid()) return next;
    at = std::move(next);
  }
  return at;
}

// A descriptor of `path` below the directory `root`; -1 with errno, EXDEV or ELOOP when a link
// leads out of it.
UniqueFd OpenBeneath(int root, const std::string& path, SymbolicLinks links) {
  const char* const relative = path.empty() ? "." : path.c_str();
  if (links == SymbolicLinks::kAnywhere) return UniqueFd(::openat(root, relative, kOpenFlags));
  open_how how = {};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (links == SymbolicLinks::kNone) how.resolve |= RESOLVE_NO_SYMLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, relative, &how, sizeof how)));
  if (!fd.valid() && (errno == ENOSYS || errno == EPERM)) return OpenWithoutLinks(root, path);
  return fd;
}

// What is no fault of the request: UNAVAILABLE for what passes, else INTERNAL, with the errno.
absl::Status ServerSide(int error, const std::string& what) {
  const absl::Status with_errno = StatusFromErrno(error, what);
  const bool passes = error == EMFILE || error == ENFILE || error == ENOMEM;
  absl::Status status(passes ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
                      with_errno.message());
  with_errno.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { status.SetPayload(type, payload); });
  return status;
}

absl::Status StatusOfOpen(int error, std::string_view path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return absl::NotFoundError(absl::StrCat("no file ", ToAbsl(path)));
    case EXDEV:
    case ELOOP:
      return absl::PermissionDeniedError(absl::StrCat(ToAbsl(path), " leads out of the root"));
    case EACCES:
    case EPERM:
    case ENXIO:  // a socket
      return absl::PermissionDeniedError(absl::StrCat(ToAbsl(path), " cannot be read"));
    default:
      return ServerSide(error, absl::StrCat("open ", ToAbsl(path)));
  }
}

}  // namespace

absl::StatusOr<OpenFile> OpenFileBelow(const std::string& root, const std::string& name,
                                       SymbolicLinks links) {
  const UniqueFd root_fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_fd.valid()) {
    return ServerSide(errno, absl::StrCat("the directory of static files, ", root));
  }
  UniqueFd fd = OpenBeneath(root_fd.get(), name, links);
  if (!fd.valid()) return StatusOfOpen(errno, name);
  OpenFile file;
  if (::fstat(fd.get(), &file.stat) != 0) return ServerSide(errno, "fstat");
  file.fd = std::make_shared<const UniqueFd>(std::move(fd));
  return file;
}

absl::StatusOr<std::string> NormalizeRelativePath(std::string_view path) {
  if (path.starts_with('/')) {
    return absl::PermissionDeniedError("an absolute path is outside of the root");
  }
  std::vector<absl::string_view> segments;
  for (const absl::string_view segment : absl::StrSplit(ToAbsl(path), '/', absl::SkipEmpty())) {
    if (segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (segments.empty()) {
      return absl::PermissionDeniedError("the path leads above the root");
    } else {
      segments.pop_back();
    }
  }
  return absl::StrJoin(segments, "/");
}

}  // namespace squall::internal
