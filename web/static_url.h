// Addresses of static files that change when the file changes: Tornado's static_url().
//
//   // Settings::static_path is "/srv/www"
//   Write(squall::StaticUrl(*this, "css/site.css"));  // "/static/css/site.css?v=0a4d55a8d778e502"
//
// StaticFileHandler lets clients keep what they asked for with a version for ten years.
#ifndef SQUALL_WEB_STATIC_URL_H_
#define SQUALL_WEB_STATIC_URL_H_

#include <string>
#include <string_view>

#include "squall/web/request_handler.h"

namespace squall {

struct StaticUrlOptions {
  // "https://host/static/..." with the request's scheme and host, for what is read elsewhere.
  bool include_host = false;
  bool include_version = true;
};

// The URL of `path`, which is relative to Settings::static_path, encoded as a URL needs it. The
// version is made of the file's content, once for each state of the file and each worker: the first call
// reads the file. Without a version, and with an error in the log, when there is no such file. Without
// Settings::static_path: Fail() with 500, and "".
std::string StaticUrl(RequestHandler& handler, std::string_view path,
                      const StaticUrlOptions& options = {});

}  // namespace squall

#endif  // SQUALL_WEB_STATIC_URL_H_
