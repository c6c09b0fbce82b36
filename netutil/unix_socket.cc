#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/standard_fds.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/netutil/inherited_sockets.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

constexpr mode_t kPermissionBits = 07777;
// For how long another process may hold the directory's lock; it takes microseconds.
constexpr absl::Duration kLockTimeout = absl::Seconds(5);
constexpr absl::Duration kLockInterval = absl::Milliseconds(5);

absl::Status CannotListen(const SocketAddress& address, int error_number) {
  return StatusFromErrno(error_number, absl::StrCat("cannot listen on ", address.ToString()));
}

absl::Status Refused(const SocketAddress& address, std::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot listen on ", address.ToString(), ": ", ToAbsl(why)));
}

std::string_view KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a regular file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a pipe";
    default:
      return "a device";
  }
}

// The lock of a directory, held while a squall process looks at the path and binds it.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock() {
    // Closing is not enough: a process forked meanwhile by another thread shares the lock.
    if (fd_.valid()) ::flock(fd_.get(), LOCK_UN);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  absl::Status Take(const SocketAddress& address) {
    const std::string_view path = address.unix_path();
    const size_t slash = path.rfind('/');
    const std::string directory(slash == path.npos ? "." : path.substr(0, slash + 1));
    fd_.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // A directory that may be written but not read cannot be locked; the socket can be made all the
    // same.
    if (!fd_.valid()) return errno == EACCES ? absl::OkStatus() : CannotListen(address, errno);
    const absl::Time deadline = absl::Now() + kLockTimeout;
    while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) break;  // A file system without locks.
      if (absl::Now() > deadline) {
        return absl::UnavailableError(
            absl::StrCat("cannot listen on ", address.ToString(),
                         ": another process keeps a lock on the directory ", directory));
      }
      absl::SleepFor(kLockInterval);
    }
    return absl::OkStatus();
  }

 private:
  UniqueFd fd_;
};

// Names the file that `fd` (O_PATH) stands for, whatever happens to its path.
std::string PinnedPath(const UniqueFd& fd) { return absl::StrCat("/proc/self/fd/", fd.get()); }

// Ok when nobody listens on the socket file `file` any more.
absl::Status CheckStale(const SocketAddress& address, const UniqueFd& file) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return CannotListen(address, errno);
  const absl::StatusOr<SocketAddress> pinned = SocketAddress::FromUnixPath(PinnedPath(file));
  if (!pinned.ok()) return pinned.status();
  if (::connect(probe.get(), pinned->data(), pinned->size()) == 0) {
    ucred server = {};
    socklen_t size = sizeof server;
    ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &server, &size);
    // A process outside this pid namespace has no number here.
    if (server.pid == 0) return Refused(address, "another process is listening there");
    return Refused(address, absl::StrFormat("process %d is listening there", server.pid));
  }
  switch (errno) {
    case ECONNREFUSED:
      return absl::OkStatus();
    case EAGAIN:      // Its backlog is full.
    case EPROTOTYPE:  // It is a datagram or seqpacket socket.
      return Refused(address, "another process is listening there");
    default:
      return StatusFromErrno(
          errno, absl::StrCat("cannot listen on ", address.ToString(),
                              ": cannot find out whether another process is listening there"));
  }
}

// Makes way for a new socket file: removes a stale one, refuses anything else.
absl::Status ClearPath(const SocketAddress& address) {
  const std::string path(address.unix_path());
  const UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) return errno == ENOENT ? absl::OkStatus() : CannotListen(address, errno);
  struct stat found = {};
  if (::fstat(file.get(), &found) != 0) return CannotListen(address, errno);
  if (!S_ISSOCK(found.st_mode)) {
    return Refused(address, absl::StrCat("it is ", ToAbsl(KindOf(found.st_mode)),
                                         "; remove it or choose another path"));
  }
  if (absl::Status stale = CheckStale(address, file); !stale.ok()) return stale;
  // Somebody who knows nothing of the lock may have replaced it since.
  struct stat now = {};
  if (::lstat(path.c_str(), &now) == 0 &&
      (now.st_dev != found.st_dev || now.st_ino != found.st_ino)) {
    return Refused(address, "another process has just replaced the file there");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return CannotListen(address, errno);
  return absl::OkStatus();
}

// Gives the bound file exactly `mode`, which the umask may have narrowed.
absl::Status SetMode(const SocketAddress& address, mode_t mode) {
  const UniqueFd file(
      ::open(std::string(address.unix_path()).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found = {};
  if (!file.valid() || ::fstat(file.get(), &found) != 0) return CannotListen(address, errno);
  if (!S_ISSOCK(found.st_mode))
    return Refused(address, "another process has just replaced the file there");
  if ((found.st_mode & kPermissionBits) == mode) return absl::OkStatus();
  if (::chmod(PinnedPath(file).c_str(), mode) != 0 || ::fstat(file.get(), &found) != 0) {
    return CannotListen(address, errno);
  }
  if ((found.st_mode & kPermissionBits) == mode) return absl::OkStatus();
  return Refused(address, absl::StrFormat("its mode stays %04o instead of %04o",
                                          found.st_mode & kPermissionBits, mode));
}

void RemoveSocketFile(const SocketAddress& address) {
  const std::string path(address.unix_path());
  struct stat found = {};
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
}

absl::StatusOr<ListenSocket> BindAndListen(const SocketAddress& address,
                                           const UnixSocketOptions& options) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return CannotListen(address, errno);
  const bool abstract = address.unix_path().front() == '\0';
  // The file is made with the mode of the unbound socket less the umask (unix_bind in Linux), so
  // that it never grants more than was asked for. It is made exact below, before listen lets
  // anybody in.
  if (!abstract && ::fchmod(fd.get(), options.mode) != 0) return CannotListen(address, errno);
  if (::bind(fd.get(), address.data(), address.size()) != 0) return CannotListen(address, errno);
  absl::Status status = abstract ? absl::OkStatus() : SetMode(address, options.mode);
  if (status.ok() && ::listen(fd.get(), options.backlog) != 0) {
    status = CannotListen(address, errno);
  }
  if (status.ok()) return ListenSocket(std::move(fd), address);
  if (!abstract) RemoveSocketFile(address);
  return status;
}

}  // namespace

absl::StatusOr<ListenSocket> BindUnixSocket(std::string_view path,
                                            const UnixSocketOptions& options) {
  OpenStandardFds();
  if ((options.mode & ~kPermissionBits) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "UnixSocketOptions::mode is 0%o; it must be permission bits only, such as 0600",
        options.mode));
  }
  if (options.backlog < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("UnixSocketOptions::backlog is ", options.backlog, "; it must be at least 1"));
  }
  const absl::StatusOr<SocketAddress> address = SocketAddress::FromUnixPath(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<std::optional<internal::InheritedSocket>> inherited =
      internal::TakeInheritedSocket(*address, options.backlog);
  if (!inherited.ok()) return inherited.status();
  if (inherited->has_value()) {
    return ListenSocket(std::move((*inherited)->fd), (*inherited)->address, /*inherited=*/true);
  }
  if (address->unix_path().front() == '\0') return BindAndListen(*address, options);
  DirectoryLock lock;
  if (absl::Status status = lock.Take(*address); !status.ok()) return status;
  if (absl::Status status = ClearPath(*address); !status.ok()) return status;
  return BindAndListen(*address, options);
}

}  // namespace squall
