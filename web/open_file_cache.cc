#include "squall/web/open_file_cache.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/clock.h"
#include "squall/base/status.h"
#include "squall/ioloop/fork_generation.h"
#include "squall/ioloop/ioloop.h"

namespace squall {

namespace {

std::string KeyOf(const std::string& root, const std::string& name, SymbolicLinks links) {
  std::string key;
  key.reserve(root.size() + name.size() + 2);
  key.push_back(static_cast<char>(links));
  // Of neither, so no two pairs are one key.
  key.append(root).push_back('\0');
  return key.append(name);
}

size_t MostDescriptors() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<int>::max() : limit.rlim_cur;
}

bool OutOfDescriptors(const absl::Status& status) {
  const std::optional<int> error = ErrnoFromStatus(status);
  return error == EMFILE || error == ENFILE;
}

// The change time tells of writes, links, renames and permissions.
bool Unchanged(const struct stat& before, const struct stat& now) {
  return now.st_nlink != 0 && now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
         now.st_ctim.tv_nsec == before.st_ctim.tv_nsec && now.st_size == before.st_size;
}

}  // namespace

absl::StatusOr<OpenFile> OpenFileCache::Open(const std::string& root, const std::string& name,
                                             SymbolicLinks links, Absent absent) {
  const MonotonicTime now = IOLoop::Current().Now();
  if (fork_generation_ != internal::ForkGeneration()) {
    Clear();
    fork_generation_ = internal::ForkGeneration();
  }
  std::string key = KeyOf(root, name, links);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const auto entry = found->second;
    entries_.splice(entries_.begin(), entries_, entry);
    if (now - entry->opened < options_.valid) {
      entry->used = now;
      if (!entry->file.ok()) return entry->file.status();
      struct stat stat = {};
      if (::fstat(entry->file->fd->get(), &stat) == 0 && Unchanged(entry->file->stat, stat)) {
        return OpenFile{entry->file->fd, stat};
      }
    }
    by_key_.erase(found);
    entries_.pop_front();
  }
  ++opened_;
  absl::StatusOr<OpenFile> file = internal::OpenFileBelow(root, name, links);
  if (OutOfDescriptors(file.status()) && !entries_.empty()) {
    Clear();
    file = internal::OpenFileBelow(root, name, links);
  }
  const bool keep = file.ok() ? S_ISREG(file->stat.st_mode) || S_ISDIR(file->stat.st_mode)
                              : absl::IsNotFound(file.status()) && absent == Absent::kRemember;
  if (keep) Keep(std::move(key), file, now);
  return file;
}

void OpenFileCache::Keep(std::string key, const absl::StatusOr<OpenFile>& file, MonotonicTime now) {
  const size_t most = MostDescriptors();
  const size_t max_files = std::min(options_.max_files, most / 8);
  if (max_files == 0 || options_.valid <= absl::ZeroDuration()) return;
  // The kernel gives the lowest free number: a high one means that the others are in use.
  if (file.ok() && static_cast<size_t>(file->fd->get()) >= most / 4 * 3) {
    Clear();
    return;
  }
  while (entries_.size() >= max_files) DropLast();
  entries_.push_front({.key = std::move(key), .file = file, .opened = now, .used = now});
  by_key_[entries_.front().key] = entries_.begin();
  if (!close_inactive_.active()) CloseInactive();
}

void OpenFileCache::DropLast() {
  by_key_.erase(entries_.back().key);
  entries_.pop_back();
}

void OpenFileCache::CloseInactive() {
  IOLoop& loop = IOLoop::Current();
  const MonotonicTime now = loop.Now();
  while (!entries_.empty() && entries_.back().used + options_.inactive <= now) DropLast();
  if (entries_.empty()) return;
  close_inactive_ =
      loop.CallAt(entries_.back().used + options_.inactive, [this] { CloseInactive(); });
}

void OpenFileCache::Clear() {
  close_inactive_.Cancel();
  by_key_.clear();
  entries_.clear();
}

}  // namespace squall
