// Internal: names of the contents of files, for their URLs.
#ifndef SQUALL_WEB_STATIC_VERSIONS_H_
#define SQUALL_WEB_STATIC_VERSIONS_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "squall/web/open_file.h"
#include "squall/web/open_file_cache.h"

namespace squall::internal {

// One thread: the loop's. May be made before a fork.
class StaticVersions {
 public:
  // 16 hexadecimal digits of the SHA-512 of the file `path` below `root`, by such links as may be followed. It is read again only when
  // it has changed, which is seen as OpenFileCache sees it. NotFound, PermissionDenied, or what the
  // machine says.
  absl::StatusOr<std::string> VersionOf(const std::string& root, std::string_view path,
                                        SymbolicLinks links);

  // How often it read a file.
  uint64_t read() const { return read_; }

 private:
  struct Version {
    struct stat stat = {};  // of the file that was read
    std::string text;
  };

  OpenFileCache files_;
  absl::flat_hash_map<std::string, Version> versions_;
  uint64_t read_ = 0;
};

}  // namespace squall::internal

#endif  // SQUALL_WEB_STATIC_VERSIONS_H_
