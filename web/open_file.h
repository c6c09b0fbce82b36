// A file below a directory, opened so that no path leads out of it.
//
//   absl::StatusOr<squall::OpenFile> file =
//       squall::internal::OpenFileBelow("/srv/www", "css/site.css", squall::SymbolicLinks::kWithinRoot);
//   // file->fd is open for reading, file->stat.st_size its size
//
// The kernel checks each step while it opens the file (openat2 with RESOLVE_BENEATH), so no rename
// can slip in between.
#ifndef SQUALL_WEB_OPEN_FILE_H_
#define SQUALL_WEB_OPEN_FILE_H_

#include <sys/stat.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

namespace squall {

// What symbolic links below a root may do.
enum class SymbolicLinks {
  kWithinRoot,  // they are followed as long as they stay below the root
  kNone,        // none is followed
  kAnywhere,    // as the file system has them, for a root that only trusted people write to
};

struct OpenFile {
  std::shared_ptr<const UniqueFd> fd;  // never null; of a file, a directory, or something else
  struct stat stat = {};               // of this descriptor
};

namespace internal {

// `name` is relative to the directory `root`, "" is the root itself. NOT_FOUND; PERMISSION_DENIED
// for what must not be read or leads out of the root. What is no fault of the request has its errno:
// UNAVAILABLE when there are no more descriptors or memory, INTERNAL for the rest, such as a root that
// is not there.
absl::StatusOr<OpenFile> OpenFileBelow(const std::string& root, const std::string& name,
                                       SymbolicLinks links);

// `path` without "." and empty segments and with ".." resolved, as text; PermissionDenied when it
// leads above its start or is absolute.
absl::StatusOr<std::string> NormalizeRelativePath(std::string_view path);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_WEB_OPEN_FILE_H_
