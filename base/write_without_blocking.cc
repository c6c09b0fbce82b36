#include "squall/base/write_without_blocking.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {
namespace {

// The type of file, S_IFIFO and so on; 0 when the descriptor is closed.
mode_t TypeOf(int fd) {
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : 0;
}

// A second description of the same pipe or terminal, for O_NONBLOCK that nobody shares.
UniqueFd Reopen(int fd) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return UniqueFd(::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool HasRoom(int fd, absl::Duration patience) {
  pollfd poll = {.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

ssize_t WriteAfterPoll(int fd, std::string_view data) {
  if (!HasRoom(fd, absl::ZeroDuration())) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd, data.data(), std::min<size_t>(data.size(), PIPE_BUF));
}

ssize_t WriteToPipeOrTerminal(int fd, mode_t type, std::string_view data) {
  if (type == S_IFIFO) {
    const iovec all = {.iov_base = const_cast<char*>(data.data()), .iov_len = data.size()};
    const ssize_t written = ::pwritev2(fd, &all, 1, -1, RWF_NOWAIT);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return written;
  }
  const UniqueFd own = Reopen(fd);
  if (!own.valid()) return WriteAfterPoll(fd, data);
  return ::write(own.get(), data.data(), data.size());
}

ssize_t WriteSome(int fd, mode_t type, std::string_view data) {
  switch (type) {
    case S_IFREG:
      return ::write(fd, data.data(), data.size());
    case S_IFIFO:
    case S_IFCHR:
      return WriteToPipeOrTerminal(fd, type, data);
    case S_IFSOCK:
      return ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    default:
      return WriteAfterPoll(fd, data);
  }
}

}  // namespace

size_t WriteWithoutBlocking(int fd, std::string_view data, absl::Duration patience) {
  const mode_t type = TypeOf(fd);
  absl::Time deadline = absl::InfinitePast();
  size_t done = 0;
  while (type != 0 && done < data.size()) {
    const ssize_t written = WriteSome(fd, type, data.substr(done));
    if (written > 0) {
      done += static_cast<size_t>(written);
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno != EAGAIN) break;
    if (patience <= absl::ZeroDuration()) break;
    const absl::Time now = absl::Now();
    if (deadline == absl::InfinitePast()) deadline = now + patience;
    if (now >= deadline) break;
    HasRoom(fd, std::min(patience, deadline - now));
  }
  return done;
}

void MakeOwnNonBlocking(int fd) {
  const mode_t type = TypeOf(fd);
  if (type == 0 || type == S_IFREG) return;
  UniqueFd own;
  if (type == S_IFIFO || type == S_IFCHR) own = Reopen(fd);
  if (!own.valid() && !HasRoom(fd, absl::ZeroDuration())) {
    own.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  }
  if (own.valid()) ::dup2(own.get(), fd);
}

}  // namespace squall::internal
