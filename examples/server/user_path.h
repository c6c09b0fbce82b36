// Paths as the user of `bazel run` means them.
//
//   bazel run server -- --static=files    # the directory `files` where the user stands
#ifndef SQUALL_EXAMPLES_SERVER_USER_PATH_H_
#define SQUALL_EXAMPLES_SERVER_USER_PATH_H_

#include <string>

// `bazel run` starts programs in a directory of its own and says where the user stood: relative
// paths begin there. Absolute, unless that directory is unknown.
std::string UserPath(const std::string& given);

#endif  // SQUALL_EXAMPLES_SERVER_USER_PATH_H_
