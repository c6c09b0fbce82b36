// Log files that logrotate may rotate, by `create` (rename, then ask for a reopening) and by
// `copytruncate` alike.
//
//   // In the master, before the first fork: the log goes into the file from now on.
//   if (absl::Status opened = OpenLogFile("/var/log/squall.log"); !opened.ok()) ...
//   // At SIGUSR1, in the master first, then in each worker. What fails is logged, too:
//   ReopenLogFiles().IgnoreError();
//
//   // A log of one's own beside it, here for Settings::log_function:
//   ASSIGN_OR_RETURN(std::unique_ptr<LogFile> file, LogFile::Open("/var/log/access.log"));
//   file->Write(FormatAccessLogLine(entry));
//
// A line is one write(2) at the end of the file (O_APPEND), so that the lines of many processes
// stay whole and a truncated file grows from its start. Files are reopened by name in each process by
// itself; one that cannot be is kept, and the log says so.
//
// Nothing here waits but for the file system: a FIFO without a reader is an error, a full pipe or
// disk loses the line.
#ifndef SQUALL_BASE_LOG_FILE_H_
#define SQUALL_BASE_LOG_FILE_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

namespace squall {

struct LogFileOptions {
  // Of a file that is created; the umask is taken off.
  mode_t mode = 0640;
  // Whom root gives the file that it creates: the user of the workers, who have to reopen what the
  // master created. A file that exists, or a link, keeps its owner, so that nobody can get hold of
  // root's files by a name in a directory that he may write to.
  std::optional<uid_t> owner = {};
};

// One open file, at the same descriptor as long as it lives. Any thread may write and reopen; a
// forked child has its own.
class LogFile {
 public:
  // Opens `path` for appending; creates it unless it exists. The error names the path.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(std::string_view path,
                                                       const LogFileOptions& options = {});
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Writes `line` and a line feed. False when not all of it could be written (the disk is full, a
  // pipe has no reader or no room). The text is written as it is: see FormatAccessLogLine and
  // internal::AppendLogText for making harmless lines of what a peer has sent.
  bool Write(std::string_view line);

  // Opens the path again, in the place of the present file, which is kept if that fails.
  absl::Status Reopen();

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }

 private:
  LogFile(std::string path, const LogFileOptions& options, UniqueFd fd);

  const std::string path_;
  const LogFileOptions options_;
  const UniqueFd fd_;
};

// From now on standard error of this process, and of the processes it starts, is this file: the log
// of base/logging.h, stack traces of crashes, and what libraries print. Called again, it changes to
// the new file. After an error standard error is what it was.
absl::Status OpenLogFile(std::string_view path, const LogFileOptions& options = {});

// Reopens the log of OpenLogFile and every LogFile of this process. Each failure is logged; the
// first is returned.
absl::Status ReopenLogFiles();

}  // namespace squall

#endif  // SQUALL_BASE_LOG_FILE_H_
