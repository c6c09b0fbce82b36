#include "squall/web/static_file_handler.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/file_range.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_range.h"
#include "squall/httpserver/url.h"
#include "squall/web/accept_encoding.h"
#include "squall/web/conditional.h"
#include "squall/web/content_type_of_file.h"
#include "squall/web/directory_listing.h"
#include "squall/web/open_file.h"
#include "squall/web/open_file_cache.h"
#include "squall/web/status_to_http.h"

namespace squall {

namespace {

constexpr size_t kBlock = 64 << 10;
constexpr uint64_t kWholeInMemory = 1 << 20;
// To WouldCompress(): what leaves in pieces is compressed whatever its size, as in Tornado.
constexpr uint64_t kInPieces = std::numeric_limits<uint64_t>::max();
constexpr absl::Duration kVersionedCacheTime = absl::Hours(24 * 365 * 10);

}  // namespace

absl::StatusOr<StaticFileHandler::File> StaticFileHandler::Open(std::string_view path) {
  // open(2) would end the name there and serve another file.
  if (path.find('\0') != std::string_view::npos) return absl::NotFoundError("NUL in the path");
  File file;
  ASSIGN_OR_RETURN(file.name, internal::NormalizeRelativePath(path));
  ASSIGN_OR_RETURN(file.open, OpenBelow(file.name));
  const bool directories = !options_.default_filename.empty() || options_.list_directories;
  if (S_ISDIR(file.open.stat.st_mode) && directories) {
    const std::string_view url = request().path();
    if (!url.ends_with('/')) {
      // "//host/dir" would be another site for the browser (CVE-2023-28370), as "/\host/dir".
      if (url.starts_with("//") || url.starts_with("/\\")) {
        return absl::PermissionDeniedError("a path that looks like a host is not redirected");
      }
      Redirect(absl::StrCat(ToAbsl(url), "/"), 301);
      return file;
    }
    if (!options_.default_filename.empty()) {
      const std::string name = file.name.empty()
                                   ? options_.default_filename
                                   : absl::StrCat(file.name, "/", options_.default_filename);
      absl::StatusOr<OpenFile> index = OpenBelow(name);
      if (index.ok()) {
        file.open = *std::move(index);
        file.name = name;
      } else if (!absl::IsNotFound(index.status()) || !options_.list_directories) {
        return index.status();
      }
    }
    if (S_ISDIR(file.open.stat.st_mode) && options_.list_directories) {
      ASSIGN_OR_RETURN(const std::string page,
                       internal::ListDirectory(file.open.fd->get(),
                                               PercentDecodeLenient(url, UrlSpace::kPercent)));
      // Names are octets; scripts of whoever may put files there must not run.
      SetHeader("Content-Security-Policy", "default-src 'none'");
      Finish(page);
      return file;
    }
  }
  if (!S_ISREG(file.open.stat.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(file.name, " is not a file"));
  }
  if (options_.precompressed) UsePrecompressed(file);
  return file;
}

void StaticFileHandler::UsePrecompressed(File& file) const {
  static constexpr struct {
    std::string_view coding;
    const char* extension;
  } kCodings[] = {{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}};
  const std::string accepted = request().headers().GetJoined("Accept-Encoding");
  // What is named as identity may be wanted more.
  int best = std::max(0, internal::NamedWeight(accepted, "identity").value_or(0) - 1);
  OpenFile best_file;
  for (const auto& [coding, extension] : kCodings) {
    const int weight = internal::AcceptedWeight(accepted, coding);
    if (weight <= best) continue;
    absl::StatusOr<OpenFile> other =
        OpenBelow(absl::StrCat(file.name, extension), OpenFileCache::Absent::kRemember);
    if (!other.ok() || !S_ISREG(other->stat.st_mode)) continue;
    if (other->stat.st_mtim.tv_sec < file.open.stat.st_mtim.tv_sec) continue;
    best = weight;
    best_file = *std::move(other);
    file.coding = coding;
  }
  if (best_file.fd != nullptr) file.open = std::move(best_file);
}

absl::StatusOr<OpenFile> StaticFileHandler::OpenBelow(const std::string& name,
                                                      OpenFileCache::Absent absent) const {
  if (options_.open_files == nullptr) {
    return internal::OpenFileBelow(options_.root, name, options_.links);
  }
  return options_.open_files->Open(options_.root, name, options_.links, absent);
}

Validators StaticFileHandler::ValidatorsOf(const File& file) const {
  return {.etag = absl::StrCat("\"", absl::Hex(file.open.stat.st_ino), "-",
                               absl::Hex(file.open.stat.st_size), "-",
                               absl::Hex(file.open.stat.st_mtim.tv_sec), ".",
                               absl::Hex(file.open.stat.st_mtim.tv_nsec), "\""),
          .last_modified = absl::FromUnixSeconds(file.open.stat.st_mtim.tv_sec),
          .body_size = file.open.stat.st_size > 0 ? kInPieces : 0};
}

void StaticFileHandler::SetFileHeaders(const File& file) {
  SetHeader("Accept-Ranges", "bytes");
  const std::string_view type = internal::ContentTypeOfFile(file.name);
  SetHeader("Content-Type", options_.charset.empty() || !type.starts_with("text/")
                                ? std::string(type)
                                : absl::StrCat(ToAbsl(type), "; charset=", options_.charset));
  if (options_.precompressed) SetHeader("Vary", "Accept-Encoding");
  if (!file.coding.empty()) SetHeader("Content-Encoding", file.coding);
  if (!GetQueryArguments("v").empty()) {
    SetHeader("Expires", FormatHttpDate(absl::Now() + kVersionedCacheTime));
    SetHeader("Cache-Control", absl::StrCat("max-age=", absl::ToInt64Seconds(kVersionedCacheTime)));
  } else if (!options_.cache_control.empty()) {
    SetHeader("Cache-Control", options_.cache_control);
  }
}

Task<> StaticFileHandler::Get(std::string path) {
  absl::StatusOr<File> opened = Open(path);
  if (!opened.ok()) {
    const int status = HttpStatusFromStatus(opened.status());
    if (status >= 500) {
      LOG(ERROR) << status << " " << request().method() << " " << request().uri() << ": "
                 << opened.status().message();
    }
    SendError(status);
    return Task<>::Done();
  }
  if (finished()) return Task<>::Done();
  const File file = *std::move(opened);
  SetFileHeaders(file);
  const Validators validators = ValidatorsOf(file);
  if (AnswerConditionally(*this, validators)) return Task<>::Done();

  const int64_t size = file.open.stat.st_size;
  int64_t start = 0;
  int64_t end = size;
  // Only GET has ranges, RFC 9110 14.2.
  const HttpHeaders& headers = request().headers();
  const bool ranged = request().method() == "GET" && headers.Has("Range");
  if (const auto wanted = ranged && RangeConditionHolds(headers, validators)
                              ? ParseRequestRange(headers.GetJoined("Range"))
                              : std::nullopt;
      wanted.has_value()) {
    const std::optional<OctetRange> octets = ResolveRange(*wanted, size);
    if (!octets.has_value()) {
      SetStatus(416);
      // What was said of the file is not of this answer, and a cache must not keep it.
      for (const std::string_view name :
           {"Cache-Control", "Content-Encoding", "Etag", "Expires", "Last-Modified"}) {
        ClearHeader(name);
      }
      SetHeader("Content-Type", "text/plain");
      SetHeader("Content-Range", absl::StrCat("bytes */", size));
      return Task<>::Done();
    }
    start = octets->start;
    end = start + octets->size;
    if (end - start != size) {
      SetStatus(206);
      SetHeader("Content-Range", FormatContentRange(start, end, size));
    }
  }
  SetHeader("Content-Length", absl::StrCat(end - start));
  const bool in_pieces = end > start && WouldCompress(kInPieces);
  if (request().method() == "HEAD") {
    // With the fields of the GET, which has no length then (RFC 9110 8.6).
    if (in_pieces) Flush();
    return Task<>::Done();
  }

  FileRange range = {.file = file.open.fd,
                     .offset = static_cast<uint64_t>(start),
                     .size = static_cast<uint64_t>(end - start)};
  if (in_pieces) return SendInPieces(std::move(range));
  FinishWithFile(std::move(range));
  return Task<>::Done();
}

void StaticFileHandler::WriteError(int status) {
  // Descriptors are back as soon as others have their answers.
  if (status == 503) SetHeader("Retry-After", "1");
  RequestHandler::WriteError(status);
}

Task<> StaticFileHandler::SendInPieces(FileRange left) {
  const uint64_t piece = left.size > kWholeInMemory ? kBlock : left.size;
  std::string block;
  while (left.size > 0) {
    block.resize(std::min(piece, left.size));
    const ssize_t got = ReadFileRange(left, block.data(), block.size());
    // A file that has shrunk; once the head has left, the connection closes before the end.
    if (got <= 0) {
      SendError(500);
      co_return;
    }
    Write(std::string_view(block).substr(0, got));
    left.offset += got;
    left.size -= got;
    // Finish() sends the last one, unless it is the only one and would then be a whole body.
    if (left.size == 0 && head_written()) co_return;
    const absl::Status flushed = co_await Flush();
    if (!flushed.ok()) co_return;
  }
}

}  // namespace squall
