#include "squall/process/pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"

namespace squall {
namespace {

constexpr mode_t kMode = 0644;
constexpr int kMaxAttempts = 100;
constexpr size_t kMaxPidFileSize = 32;

struct flock WholeFile(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

absl::Status Error(const std::string& path) {
  return StatusFromErrno(errno, absl::StrCat("pid file \"", path, "\""));
}

absl::Status NoPidFile(const std::string& path, std::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("pid file \"", path, "\" is ", ToAbsl(what),
                   " and was left alone; remove it or choose another path"));
}

// Does `path` still lead to the open file?
bool IsCurrent(int fd, const std::string& path) {
  struct stat ours, theirs;
  return fstat(fd, &ours) == 0 && lstat(path.c_str(), &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

// The pid in the file, 0 for an empty one (somebody died before writing); nothing for other text.
std::optional<pid_t> ReadPid(int fd) {
  char octets[kMaxPidFileSize + 1];
  const ssize_t size = pread(fd, octets, sizeof octets, 0);
  if (size < 0 || size > static_cast<ssize_t>(kMaxPidFileSize)) return std::nullopt;
  const absl::string_view text =
      absl::StripAsciiWhitespace(absl::string_view(octets, static_cast<size_t>(size)));
  pid_t pid = 0;
  if (text.empty()) return 0;
  if (!absl::SimpleAtoi(text, &pid) || pid <= 0) return std::nullopt;
  return pid;
}

enum class Lock { kTaken, kFree };

// Takes the lock, or the error says who has it. kFree: its holder gave it up in between.
absl::StatusOr<Lock> TakeLock(int fd, const std::string& path) {
  struct flock lock = WholeFile(F_WRLCK);
  if (fcntl(fd, F_SETLK, &lock) == 0) return Lock::kTaken;
  if (errno != EAGAIN && errno != EACCES) return Error(path);
  if (fcntl(fd, F_GETLK, &lock) != 0) return Error(path);
  if (lock.l_type == F_UNLCK) return Lock::kFree;
  // A holder in another pid namespace has no pid here.
  const pid_t holder = lock.l_pid > 0 ? lock.l_pid : ReadPid(fd).value_or(0);
  return absl::AlreadyExistsError(
      absl::StrCat("pid file \"", path, "\" belongs to process ", holder,
                   ", which is running; stop it first or choose another path"));
}

// Deletes what a process that was killed left at `path`, if it is that.
absl::Status RemoveStale(const std::string& path) {
  // O_NONBLOCK: a FIFO must not stop the start.
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) return absl::OkStatus();
    if (errno == ELOOP) return NoPidFile(path, "a symbolic link");
    if (errno == EISDIR) return NoPidFile(path, "a directory");
    return Error(path);
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return Error(path);
  if (!S_ISREG(status.st_mode)) return NoPidFile(path, "no regular file");
  ASSIGN_OR_RETURN(const Lock lock, TakeLock(file.get(), path));
  // With the lock on the current file nobody else deletes it.
  if (lock == Lock::kFree || !IsCurrent(file.get(), path)) return absl::OkStatus();
  if (!ReadPid(file.get()).has_value()) return NoPidFile(path, "a file with other text than a pid");
  if (unlink(path.c_str()) != 0) return Error(path);
  return absl::OkStatus();
}

absl::Status WritePid(int fd, const std::string& path) {
  // Whatever the umask is.
  if (fchmod(fd, kMode) != 0) return Error(path);
  const std::string text = absl::StrCat(getpid(), "\n");
  const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
  if (written < 0) return Error(path);
  if (static_cast<size_t>(written) == text.size()) return absl::OkStatus();
  errno = ENOSPC;
  return Error(path);
}

absl::StatusOr<std::string> Absolute(std::string_view path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).string();
  if (error || path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("pid file \"", ToAbsl(path), "\" is no path"));
  }
  return absolute;
}

}  // namespace

PidFile::PidFile(std::string path, UniqueFd file, pid_t owner)
    : path_(std::move(path)), file_(std::move(file)), owner_(owner) {}

PidFile& PidFile::operator=(PidFile&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::move(other.path_);
  file_ = std::move(other.file_);
  owner_ = other.owner_;
  return *this;
}

absl::StatusOr<PidFile> PidFile::Create(std::string_view path) {
  ASSIGN_OR_RETURN(std::string absolute, Absolute(path));
  // Only ever a file of our own making, whose owner and mode are known. Between any two calls
  // another master may do the same.
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    UniqueFd file(
        open(absolute.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kMode));
    if (!file.valid()) {
      if (errno != EEXIST) return Error(absolute);
      RETURN_IF_ERROR(RemoveStale(absolute));
      continue;
    }
    ASSIGN_OR_RETURN(const Lock lock, TakeLock(file.get(), absolute));
    if (lock == Lock::kFree || !IsCurrent(file.get(), absolute)) continue;
    PidFile created(std::move(absolute), std::move(file), getpid());
    if (absl::Status written = WritePid(created.file_.get(), created.path_); !written.ok()) {
      // Not Remove(): the file does not name this process yet.
      unlink(created.path_.c_str());
      return written;
    }
    return created;
  }
  return absl::AbortedError(
      absl::StrCat("pid file \"", absolute, "\" is created and removed by others all the time"));
}

void PidFile::Remove() {
  if (!file_.valid()) return;
  const UniqueFd file = std::move(file_);
  if (getpid() != owner_) return;
  // Before the lock ends with the descriptor.
  if (!IsCurrent(file.get(), path_) || ReadPid(file.get()) != owner_) {
    LOG(WARNING) << "pid file \"" << path_ << "\" was removed or replaced by others; left as it is";
    return;
  }
  if (unlink(path_.c_str()) != 0) PLOG(WARNING) << "remove pid file \"" << path_ << "\"";
}

}  // namespace squall
