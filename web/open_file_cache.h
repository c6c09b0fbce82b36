// Files that stay open between requests: nginx's open_file_cache.
//
//   auto cache = std::make_shared<squall::OpenFileCache>(
//       squall::OpenFileCacheOptions{.max_files = 1000, .valid = absl::Seconds(5)});
//   squall::StaticFileOptions options{.root = "/srv/www", .open_files = cache};
//
// What it returns is always described by an fstat(2) of that very descriptor, made for this
// request: sizes, dates and tags never belong to other octets than those that are sent. A file that
// was written to, cut, deleted, replaced, renamed or given other permissions since it was opened is
// opened anew at once. Changes that the file itself does not show, a directory that was renamed or
// a symbolic link that leads elsewhere now, are seen within `valid`.
//
// It holds few descriptors, never more than an eighth of RLIMIT_NOFILE, and gives up all of them
// when the process is short of descriptors and when nobody asks any more. Answers that are
// under way keep theirs.
//
// One thread: that of the loop which serves. It may be made before a fork; what it has opened before one
// belongs to the other process and is opened anew.
#ifndef SQUALL_WEB_OPEN_FILE_CACHE_H_
#define SQUALL_WEB_OPEN_FILE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/ioloop/timeout.h"
#include "squall/web/open_file.h"

namespace squall {

struct OpenFileCacheOptions {
  // The least recently used one makes room. 0: nothing stays open.
  size_t max_files = 256;
  // How long the way from a name to a file is trusted. 0: nothing stays open.
  absl::Duration valid = absl::Seconds(1);
  // A file that nobody asked for during this time is closed.
  absl::Duration inactive = absl::Seconds(10);
};

class OpenFileCache {
 public:
  explicit OpenFileCache(const OpenFileCacheOptions& options = {}) : options_(options) {}
  OpenFileCache(const OpenFileCache&) = delete;
  OpenFileCache& operator=(const OpenFileCache&) = delete;

  // Whether that there is no such file is remembered, too, for `valid`.
  enum class Absent { kForget, kRemember };
  // internal::OpenFileBelow(), or what it returned before.
  absl::StatusOr<OpenFile> Open(const std::string& root, const std::string& name,
                                SymbolicLinks links, Absent absent = Absent::kForget);

  // Closes all.
  void Clear();

  // How many it holds, those that are known to be absent among them.
  size_t size() const { return entries_.size(); }
  // How often it had to look into the file system, since it was made.
  uint64_t opened() const { return opened_; }

 private:
  struct Entry {
    std::string key;
    absl::StatusOr<OpenFile> file;
    MonotonicTime opened;
    MonotonicTime used;
  };

  void Keep(std::string key, const absl::StatusOr<OpenFile>& file, MonotonicTime now);
  void DropLast();
  void CloseInactive();

  const OpenFileCacheOptions options_;
  std::list<Entry> entries_;  // the last used one first
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_;
  Timeout close_inactive_;
  uint64_t fork_generation_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace squall

#endif  // SQUALL_WEB_OPEN_FILE_CACHE_H_
