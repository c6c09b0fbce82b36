#include "squall/base/standard_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace squall {

void OpenStandardFds() {
  const int preserved_errno = errno;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free number is this one. Not close-on-exec: programs started from here need it
    // too.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) break;
  }
  errno = preserved_errno;
}

}  // namespace squall
