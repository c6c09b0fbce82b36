// A new place for a unix socket. TEST_TMPDIR is often longer than a socket's path may be, and pids
// are the same in several sandboxes, so it is a fresh directory under /tmp, removed when the test
// program ends.
#ifndef SQUALL_CONTROL_TESTING_SOCKET_PATH_H_
#define SQUALL_CONTROL_TESTING_SOCKET_PATH_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"

namespace squall::testing {

inline std::string NewSocketPath() {
  struct Directory {
    Directory() {
      if (mkdtemp(path) == nullptr) abort();
    }
    ~Directory() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    char path[32] = "/tmp/squall-test-XXXXXX";
  };
  static Directory directory;
  static int number = 0;
  return absl::StrCat(directory.path, "/", ++number);
}

}  // namespace squall::testing

#endif  // SQUALL_CONTROL_TESTING_SOCKET_PATH_H_
