#include "squall/base/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/base/write_without_blocking.h"

namespace squall {
namespace {

struct LogPath {
  std::string path;  // Absolute: the process may change its directory.
  LogFileOptions options;
};

// All that ReopenLogFiles reopens. Never destroyed: exit handlers may still log.
struct Registry {
  std::mutex mutex;
  std::vector<LogFile*> files;
  std::optional<LogPath> standard_error;
};

Registry& Files() {
  static Registry& registry = *new Registry;
  return registry;
}

absl::Status Error(const std::string& path) {
  return StatusFromErrno(errno, absl::StrCat("log file \"", path, "\""));
}

absl::StatusOr<LogPath> Resolve(std::string_view path, const LogFileOptions& options) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).string();
  if (error || path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("log file \"", ToAbsl(path), "\" is no path"));
  }
  return LogPath{std::move(absolute), options};
}

absl::StatusOr<UniqueFd> CreateOrOpen(const LogPath& log) {
  // O_NONBLOCK for the call alone, which else would wait for the reader of a FIFO.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  for (int attempt = 0; attempt < 10; ++attempt) {
    UniqueFd fd(open(log.path.c_str(), kFlags | O_CREAT | O_EXCL, log.options.mode));
    if (fd.valid()) {
      if (!log.options.owner.has_value() || geteuid() != 0) return fd;
      if (fchown(fd.get(), *log.options.owner, static_cast<gid_t>(-1)) == 0) return fd;
      break;
    }
    if (errno != EEXIST) break;
    fd.reset(open(log.path.c_str(), kFlags));
    if (fd.valid()) return fd;
    // It was rotated away in between.
    if (errno != ENOENT) break;
  }
  return Error(log.path);
}

absl::StatusOr<UniqueFd> OpenForAppending(const LogPath& log) {
  ASSIGN_OR_RETURN(UniqueFd fd, CreateOrOpen(log));
  if (fcntl(fd.get(), F_SETFL, O_APPEND) != 0) return Error(log.path);
  return fd;
}

absl::Status OpenAsStandardError(const LogPath& log) {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenForAppending(log));
  // One step: a thread that writes meanwhile writes into the one or the other. Kept across exec.
  if (dup2(file.get(), STDERR_FILENO) < 0) return Error(log.path);
  return absl::OkStatus();
}

}  // namespace

LogFile::LogFile(std::string path, const LogFileOptions& options, UniqueFd fd)
    : path_(std::move(path)), options_(options), fd_(std::move(fd)) {
  std::lock_guard<std::mutex> lock(Files().mutex);
  Files().files.push_back(this);
}

LogFile::~LogFile() {
  std::lock_guard<std::mutex> lock(Files().mutex);
  std::erase(Files().files, this);
}

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(std::string_view path,
                                                       const LogFileOptions& options) {
  ASSIGN_OR_RETURN(LogPath log, Resolve(path, options));
  ASSIGN_OR_RETURN(UniqueFd fd, OpenForAppending(log));
  return std::unique_ptr<LogFile>(new LogFile(std::move(log.path), options, std::move(fd)));
}

bool LogFile::Write(std::string_view line) {
  const std::string text = absl::StrCat(ToAbsl(line), "\n");
  return internal::WriteWithoutBlocking(fd(), text, absl::ZeroDuration()) == text.size();
}

absl::Status LogFile::Reopen() {
  ASSIGN_OR_RETURN(const UniqueFd file, OpenForAppending({path_, options_}));
  if (dup3(file.get(), fd(), O_CLOEXEC) < 0) return Error(path_);
  return absl::OkStatus();
}

absl::Status OpenLogFile(std::string_view path, const LogFileOptions& options) {
  ASSIGN_OR_RETURN(LogPath log, Resolve(path, options));
  std::lock_guard<std::mutex> lock(Files().mutex);
  RETURN_IF_ERROR(OpenAsStandardError(log));
  Files().standard_error = std::move(log);
  return absl::OkStatus();
}

absl::Status ReopenLogFiles() {
  std::lock_guard<std::mutex> lock(Files().mutex);
  absl::Status first;
  const auto note = [&first](const absl::Status& status) {
    if (status.ok()) return;
    LOG(ERROR) << "could not reopen " << status.message() << "; the old file is still written to";
    first.Update(status);
  };
  if (Files().standard_error.has_value()) note(OpenAsStandardError(*Files().standard_error));
  for (LogFile* file : Files().files) note(file->Reopen());
  return first;
}

}  // namespace squall
