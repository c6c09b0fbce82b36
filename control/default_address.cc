#include "squall/control/default_address.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"

namespace squall {

std::string DefaultControlAddress() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') {
    return absl::StrCat("unix:", absl::StripSuffix(runtime, "/"), "/squall/control.sock");
  }
  if (geteuid() == 0) return "unix:/run/squall/control.sock";
  return absl::StrCat("unix:/tmp/squall-", geteuid(), "/control.sock");
}

absl::Status EnsurePrivateDirectory(std::string_view address) {
  constexpr std::string_view kScheme = "unix:";
  const size_t slash = address.rfind('/');
  if (address.substr(0, kScheme.size()) != kScheme || address.size() == kScheme.size() ||
      address[kScheme.size()] != '/' || slash == address.size() - 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", ToAbsl(address), "\" is not of the form unix:/DIRECTORY/SOCKET"));
  }
  const std::string directory(address.substr(kScheme.size(), slash - kScheme.size()));
  if (directory.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", ToAbsl(address), "\" lies in the root directory"));
  }
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return StatusFromErrno(errno, absl::StrCat("mkdir ", directory));
  }
  struct stat info;
  if (lstat(directory.c_str(), &info) != 0) {
    return StatusFromErrno(errno, absl::StrCat("stat ", directory));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is not a directory, the control socket needs one of its owner's own"));
  }
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s belongs to uid %d, the control socket needs a directory of uid %d",
                        directory, info.st_uid, geteuid()));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s has mode %04o, others could replace the control socket in it: chmod 700 %s", directory,
        info.st_mode & 07777, directory));
  }
  return absl::OkStatus();
}

}  // namespace squall
