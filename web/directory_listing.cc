#include "squall/web/directory_listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/status.h"
#include "squall/httpserver/url.h"
#include "squall/web/html_escape.h"

namespace squall::internal {

namespace {

struct Entry {
  bool is_directory;
  std::string name;
  uint64_t size;
  absl::Time modified;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

absl::StatusOr<std::vector<Entry>> ReadEntries(int fd) {
  // Of its own, because fdopendir() takes it.
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return StatusFromErrno(errno, "open a directory");
  const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(own));
  if (directory == nullptr) {
    ::close(own);
    return StatusFromErrno(errno, "fdopendir");
  }
  std::vector<Entry> entries;
  while (const dirent* const found = ::readdir(directory.get())) {
    struct stat stat = {};
    if (found->d_name[0] == '.') continue;
    if (::fstatat(own, found->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode) && !S_ISLNK(stat.st_mode)) continue;
    entries.push_back({S_ISDIR(stat.st_mode), found->d_name, static_cast<uint64_t>(stat.st_size),
                       absl::FromUnixSeconds(stat.st_mtim.tv_sec)});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(!a.is_directory, a.name) < std::tuple(!b.is_directory, b.name);
  });
  return entries;
}

}  // namespace

absl::StatusOr<std::string> ListDirectory(int fd, std::string_view url_path) {
  absl::StatusOr<std::vector<Entry>> entries = ReadEntries(fd);
  if (!entries.ok()) return entries.status();
  const std::string title = absl::StrCat("Index of ", HtmlEscape(url_path));
  std::string page = absl::StrCat("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>",
                                  title, "</title></head>\n<body><h1>", title, "</h1><pre>\n");
  if (url_path != "/") absl::StrAppend(&page, "<a href=\"../\">../</a>\n");
  for (const Entry& entry : *entries) {
    const std::string name = absl::StrCat(entry.name, entry.is_directory ? "/" : "");
    // "./": a name with a colon is no scheme then.
    absl::StrAppend(&page, "<a href=\"./", UrlEscape(name, UrlSpace::kPercent), "\">",
                    HtmlEscape(name), "</a> ",
                    absl::FormatTime("%Y-%m-%d %H:%M", entry.modified, absl::UTCTimeZone()), " ",
                    entry.is_directory ? "-" : absl::StrCat(entry.size), "\n");
  }
  return absl::StrCat(page, "</pre></body></html>\n");
}

}  // namespace squall::internal
