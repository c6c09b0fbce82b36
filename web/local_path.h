// Internal: a path as the target of a redirect that stays on this site.
#ifndef SQUALL_WEB_LOCAL_PATH_H_
#define SQUALL_WEB_LOCAL_PATH_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace squall::internal {

// `path` with one "/" in the place of all "/" and "\" that it begins with. Browsers take "\" for
// "/" (WHATWG URL 4.4), and "//host" and "/\host" for another site. Unchanged if it begins with neither.
inline std::string LocalPath(std::string_view path) {
  const size_t begin = std::min(path.find_first_not_of("/\\"), path.size());
  std::string local(path.substr(begin));
  if (begin > 0) local.insert(0, 1, '/');
  return local;
}

}  // namespace squall::internal

#endif  // SQUALL_WEB_LOCAL_PATH_H_
