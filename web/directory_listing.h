// Internal: the page that lists a directory.
#ifndef SQUALL_WEB_DIRECTORY_LISTING_H_
#define SQUALL_WEB_DIRECTORY_LISTING_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace squall::internal {

// An HTML page of the entries of the directory `fd`: directories first, then by name; those whose
// name begins with "." are left out. `url_path` is the directory's own, decoded. Names are escaped
// for HTML and for URLs, so that no file can bring a script along.
absl::StatusOr<std::string> ListDirectory(int fd, std::string_view url_path);

}  // namespace squall::internal

#endif  // SQUALL_WEB_DIRECTORY_LISTING_H_
