// The file that tells the world which process is the master.
//
//   // In the master, before the first fork: an error means that another master serves already.
//   ASSIGN_OR_RETURN(PidFile pid_file, PidFile::Create("/run/squall.pid"));
//   ...
//   pid_file.Remove();   // at a clean end; the destructor does it, too
//
// It holds the pid and a line feed, mode 0644. Who holds a lock on the file is running; a file that
// nobody has locked was left by a process that was killed, whatever pid it names, and is replaced.
// A pid alone could not tell: in a container every master is process 1.
//
// The lock is of the kind that belongs to a process (F_SETLK in fcntl(2)), not flock(2), whose
// locks a forked worker shares: workers that finish their requests after the master was killed
// would keep its successor out. The price: the master must not open and close the same file
// otherwise, for the close ends the lock.
//
// Children of the master may keep, move and destroy their copy of a PidFile: the file stays.
#ifndef SQUALL_PROCESS_PID_FILE_H_
#define SQUALL_PROCESS_PID_FILE_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

namespace squall {

class PidFile {
 public:
  // Writes the calling process's pid to `path`; the directory exists. Never waits. One per path and
  // process.
  //
  // ALREADY_EXISTS with its pid: a running process holds it. FAILED_PRECONDITION: what stands there
  // is no pid file (a link, a directory, a file with other text) and was left alone. Else what
  // open(2), fcntl(2) and write(2) say.
  static absl::StatusOr<PidFile> Create(std::string_view path);

  PidFile(PidFile&& other) noexcept = default;
  PidFile& operator=(PidFile&& other) noexcept;
  ~PidFile() { Remove(); }

  // Absolute.
  const std::string& path() const { return path_; }

  // Deletes the file if it is still the one that this process created and names it. Does nothing in
  // a child of the process that created it, and when called again.
  void Remove();

 private:
  PidFile(std::string path, UniqueFd file, pid_t owner);

  std::string path_;
  UniqueFd file_;  // Holds the lock; none when it was removed or moved away.
  pid_t owner_ = 0;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_PID_FILE_H_
