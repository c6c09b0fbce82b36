// A handler that serves the files of a directory, Tornado's StaticFileHandler.
//
//   {"/static/(.*)", squall::Handler<squall::StaticFileHandler>(
//                        squall::StaticFileOptions{.root = "/srv/www", .default_filename =
//                        "index.html"})},
//
// The pattern's only group is the path below the root. A path that leaves the root, by "..", an
// absolute path or a symbolic link, is 403; the kernel checks each step while it opens the file
// (openat2 with RESOLVE_BENEATH), so no rename can slip in between. What is not there is 404, what
// is no regular file 403. A root that is not there is 500, a process short of descriptors 503, each with
// a line in the log.
//
// Answers have Content-Type by the name's extension, Last-Modified, a strong Etag of inode, size
// and time, and Accept-Ranges; with `?v=` in the query they may be cached for ten years.
// If-None-Match, If-Modified-Since, If-Range and one range per request are honoured (RFC 9110 13
// and 14), and If-Match and If-Unmodified-Since. The kernel sends the file from its
// page cache; what Settings::compress_response compresses leaves in pieces, however small it is.
// Files stay open between requests, see open_file_cache.h; a change is seen at once or within a second.
#ifndef SQUALL_WEB_STATIC_FILE_HANDLER_H_
#define SQUALL_WEB_STATIC_FILE_HANDLER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "squall/httpserver/file_range.h"
#include "squall/ioloop/task.h"
#include "squall/web/conditional.h"
#include "squall/web/open_file.h"
#include "squall/web/open_file_cache.h"
#include "squall/web/request_handler.h"
#include "squall/web/static_file_options.h"

namespace squall {

class StaticFileHandler : public RequestHandler {
 public:
  explicit StaticFileHandler(StaticFileOptions options) : options_(std::move(options)) {}

  Task<> Get(std::string path);
  // With Retry-After when it is for want of descriptors or memory: 503.
  void WriteError(int status) override;

 private:
  struct File {
    OpenFile open;            // no descriptor: answered already
    std::string name;         // below the root, for the extension
    std::string_view coding;  // of a precompressed one
  };
  // NotFound, or PermissionDenied for what must not be served; already answered (a redirect) when
  // the file has none.
  absl::StatusOr<File> Open(std::string_view path);
  absl::StatusOr<OpenFile> OpenBelow(
      const std::string& name, OpenFileCache::Absent absent = OpenFileCache::Absent::kForget) const;
  // Takes a precompressed neighbour, if there is a fitting one, in the place of `file`.
  void UsePrecompressed(File& file) const;
  // Sets the fields that do not depend on the range.
  void SetFileHeaders(const File& file);
  Validators ValidatorsOf(const File& file) const;

  // In pieces of moderate size if it is large, else in one that is flushed.
  Task<> SendInPieces(FileRange left);

  StaticFileOptions options_;
};

}  // namespace squall

#endif  // SQUALL_WEB_STATIC_FILE_HANDLER_H_
