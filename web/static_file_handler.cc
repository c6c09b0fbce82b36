#include "squall/web/static_file_handler.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/http_range.h"
#include "squall/httpserver/url.h"
#include "squall/web/accept_encoding.h"
#include "squall/web/conditional.h"
#include "squall/web/directory_listing.h"
#include "squall/web/status_to_http.h"

namespace squall {

namespace {

constexpr size_t kBlock = 64 << 10;
constexpr int64_t kWholeInMemory = 1 << 20;
constexpr absl::Duration kVersionedCacheTime = absl::Hours(24 * 365 * 10);

struct Extension {
  std::string_view name;
  std::string_view type;
};

constexpr Extension kExtensions[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript"},
    {"json", "application/json"},
    {"m4a", "audio/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown"},
    {"mjs", "text/javascript"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};
static_assert(std::is_sorted(std::begin(kExtensions), std::end(kExtensions),
                             [](const Extension& a, const Extension& b) {
                               return a.name < b.name;
                             }));

constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// For kernels and sandboxes without openat2: step by step, and no symbolic link at all.
UniqueFd OpenWithoutLinks(int root, const std::string& path) {
  UniqueFd at(::dup(root));
  for (const absl::string_view segment : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    UniqueFd next(::openat(at.get(), std::string(segment).c_str(), kOpenFlags | O_NOFOLLOW));
    if (!next.valid()) return next;
    at = std::move(next);
  }
  return at;
}

// A descriptor of `path` below the directory `root`; -1 with errno, EXDEV or ELOOP when a link
// leads out of it.
UniqueFd OpenBeneath(int root, const std::string& path, StaticFileOptions::Links links) {
  const std::string relative = path.empty() ? "." : path;
  if (links == StaticFileOptions::Links::kAnywhere) {
    return UniqueFd(::openat(root, relative.c_str(), kOpenFlags));
  }
  open_how how = {};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (links == StaticFileOptions::Links::kNone) how.resolve |= RESOLVE_NO_SYMLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how)));
  if (!fd.valid() && (errno == ENOSYS || errno == EPERM)) return OpenWithoutLinks(root, path);
  return fd;
}

absl::Status StatusOfOpen(int error, std::string_view path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return absl::NotFoundError(absl::StrCat("no file ", ToAbsl(path)));
    case EXDEV:
    case ELOOP:
      return absl::PermissionDeniedError(absl::StrCat(ToAbsl(path), " leads out of the root"));
    case EACCES:
    case EPERM:
    case ENXIO:  // a socket
      return absl::PermissionDeniedError(absl::StrCat(ToAbsl(path), " cannot be read"));
    default:
      return StatusFromErrno(error, absl::StrCat("open ", ToAbsl(path)));
  }
}

// Appends [at, at + size) of the file to `out`; false when the file ends before.
bool ReadPart(int fd, int64_t at, size_t size, std::string& out) {
  const size_t before = out.size();
  out.resize(before + size);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, out.data() + before + done, size - done, at + done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      out.resize(before + done);
      return false;
    }
    done += n;
  }
  return true;
}

}  // namespace

namespace internal {

std::string_view ContentTypeOfFile(std::string_view name) {
  const size_t dot = name.rfind('.');
  const size_t slash = name.rfind('/');
  if (dot != std::string_view::npos && (slash == std::string_view::npos || dot > slash)) {
    const std::string extension = absl::AsciiStrToLower(ToAbsl(name.substr(dot + 1)));
    const auto* const found = std::lower_bound(
        std::begin(kExtensions), std::end(kExtensions), extension,
        [](const Extension& entry, const std::string& wanted) { return entry.name < wanted; });
    if (found != std::end(kExtensions) && found->name == extension) return found->type;
  }
  return "application/octet-stream";
}

absl::StatusOr<std::string> NormalizeRelativePath(std::string_view path) {
  if (path.starts_with('/')) {
    return absl::PermissionDeniedError("an absolute path is outside of the root");
  }
  std::vector<absl::string_view> segments;
  for (const absl::string_view segment : absl::StrSplit(ToAbsl(path), '/', absl::SkipEmpty())) {
    if (segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (segments.empty()) {
      return absl::PermissionDeniedError("the path leads above the root");
    } else {
      segments.pop_back();
    }
  }
  return absl::StrJoin(segments, "/");
}

}  // namespace internal

absl::StatusOr<StaticFileHandler::File> StaticFileHandler::Open(std::string_view path) {
  // open(2) would end the name there and serve another file.
  if (path.find('\0') != std::string_view::npos) return absl::NotFoundError("NUL in the path");
  File file;
  ASSIGN_OR_RETURN(file.name, internal::NormalizeRelativePath(path));
  const UniqueFd root(::open(options_.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return StatusFromErrno(errno, absl::StrCat("static root ", options_.root));
  UniqueFd fd = OpenBeneath(root.get(), file.name, options_.links);
  if (!fd.valid()) return StatusOfOpen(errno, file.name);
  if (::fstat(fd.get(), &file.stat) != 0) return StatusFromErrno(errno, "fstat");
  const bool directories = !options_.default_filename.empty() || options_.list_directories;
  if (S_ISDIR(file.stat.st_mode) && directories) {
    const std::string_view url = request().path();
    if (!url.ends_with('/')) {
      // "//host/dir" would be another site for the browser (CVE-2023-28370).
      if (url.starts_with("//")) {
        return absl::PermissionDeniedError("a path that begins with // is not redirected");
      }
      Redirect(absl::StrCat(ToAbsl(url), "/"), 301);
      return file;
    }
    if (!options_.default_filename.empty()) {
      const std::string name = file.name.empty()
                                   ? options_.default_filename
                                   : absl::StrCat(file.name, "/", options_.default_filename);
      UniqueFd index = OpenBeneath(root.get(), name, options_.links);
      if (index.valid()) {
        fd = std::move(index);
        file.name = name;
        if (::fstat(fd.get(), &file.stat) != 0) return StatusFromErrno(errno, "fstat");
      } else if (errno != ENOENT || !options_.list_directories) {
        return StatusOfOpen(errno, name);
      }
    }
    if (S_ISDIR(file.stat.st_mode) && options_.list_directories) {
      ASSIGN_OR_RETURN(
          const std::string page,
          internal::ListDirectory(fd.get(), PercentDecodeLenient(url, UrlSpace::kPercent)));
      // Names are octets; scripts of whoever may put files there must not run.
      SetHeader("Content-Security-Policy", "default-src 'none'");
      Finish(page);
      return file;
    }
  }
  if (!S_ISREG(file.stat.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(file.name, " is not a file"));
  }
  if (options_.precompressed) UsePrecompressed(root.get(), file, fd);
  file.fd = std::make_shared<const UniqueFd>(std::move(fd));
  return file;
}

void StaticFileHandler::UsePrecompressed(int root, File& file, UniqueFd& fd) const {
  static constexpr struct {
    std::string_view coding;
    const char* extension;
  } kCodings[] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};
  const std::string accepted = request().headers().GetJoined("Accept-Encoding");
  int best = 0;
  UniqueFd best_fd;
  struct stat best_stat = {};
  for (const auto& [coding, extension] : kCodings) {
    const int weight = internal::AcceptedWeight(accepted, coding);
    if (weight <= best) continue;
    UniqueFd other = OpenBeneath(root, absl::StrCat(file.name, extension), options_.links);
    struct stat stat = {};
    if (!other.valid() || ::fstat(other.get(), &stat) != 0 || !S_ISREG(stat.st_mode)) continue;
    if (stat.st_mtim.tv_sec < file.stat.st_mtim.tv_sec) continue;
    best = weight;
    best_fd = std::move(other);
    best_stat = stat;
    file.coding = coding;
  }
  if (!best_fd.valid()) return;
  fd = std::move(best_fd);
  file.stat = best_stat;
}

Validators StaticFileHandler::ValidatorsOf(const File& file) const {
  return {.etag = absl::StrCat("\"", absl::Hex(file.stat.st_ino), "-", absl::Hex(file.stat.st_size),
                               "-", absl::Hex(file.stat.st_mtim.tv_sec), ".",
                               absl::Hex(file.stat.st_mtim.tv_nsec), "\""),
          .last_modified = absl::FromUnixSeconds(file.stat.st_mtim.tv_sec)};
}

void StaticFileHandler::SetFileHeaders(const File& file) {
  SetHeader("Accept-Ranges", "bytes");
  SetHeader("Content-Type", internal::ContentTypeOfFile(file.name));
  if (options_.precompressed) SetHeader("Vary", "Accept-Encoding");
  if (!file.coding.empty()) SetHeader("Content-Encoding", file.coding);
  if (!GetQueryArguments("v").empty()) {
    SetHeader("Expires", FormatHttpDate(absl::Now() + kVersionedCacheTime));
    SetHeader("Cache-Control", absl::StrCat("max-age=", absl::ToInt64Seconds(kVersionedCacheTime)));
  }
}

Task<> StaticFileHandler::Get(std::string path) {
  absl::StatusOr<File> opened = Open(path);
  if (!opened.ok()) {
    SendError(HttpStatusFromStatus(opened.status()));
    co_return;
  }
  if (finished()) co_return;
  const File file = *std::move(opened);
  SetFileHeaders(file);
  const Validators validators = ValidatorsOf(file);
  if (AnswerConditionally(*this, validators)) co_return;

  const int64_t size = file.stat.st_size;
  int64_t start = 0;
  int64_t end = size;
  // Only GET has ranges, RFC 9110 14.2.
  const auto field = request().method() == "GET" ? request().headers().Get("Range") : std::nullopt;
  if (const auto range = field.has_value() && RangeConditionHolds(request().headers(), validators)
                             ? ParseRequestRange(*field)
                             : std::nullopt;
      range.has_value()) {
    start = range->start.value_or(0);
    if (start < 0) start = std::max<int64_t>(start + size, 0);
    end = std::min(range->end.value_or(size), size);
    const bool inverted = range->end.has_value() && start >= *range->end;
    if ((range->start.has_value() && (start >= size || inverted)) || range->end == 0) {
      SetStatus(416);
      SetHeader("Content-Type", "text/plain");
      SetHeader("Content-Range", absl::StrCat("bytes */", size));
      co_return;
    }
    if (end - start != size) {
      SetStatus(206);
      SetHeader("Content-Range", FormatContentRange(start, end, size));
    }
  }
  SetHeader("Content-Length", absl::StrCat(end - start));
  if (request().method() == "HEAD") co_return;

  if (!compresses_response()) {
    FinishWithFile({.file = file.fd,
                    .offset = static_cast<uint64_t>(start),
                    .size = static_cast<uint64_t>(end - start)});
    co_return;
  }
  const bool in_pieces = end - start > kWholeInMemory;
  while (start < end) {
    const size_t want = in_pieces ? std::min<int64_t>(kBlock, end - start) : end - start;
    std::string block;
    // A file that shrinks meanwhile: the answer falls short of its length and the connection
    // closes.
    const bool whole = ReadPart(file.fd->get(), start, want, block);
    Write(block);
    start += block.size();
    if (!whole) co_return;
    if (in_pieces && !(co_await Flush()).ok()) co_return;
  }
}

}  // namespace squall
