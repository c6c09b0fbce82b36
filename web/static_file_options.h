// How the files of a directory are served, by StaticFileHandler or for Settings::static_path.
//
//   squall::Settings settings{.static_path = "/srv/www",
//                             .static_options = {.precompressed = true,
//                                                .cache_control = "max-age=3600"}};
#ifndef SQUALL_WEB_STATIC_FILE_OPTIONS_H_
#define SQUALL_WEB_STATIC_FILE_OPTIONS_H_

#include <memory>
#include <string>

#include "squall/web/open_file.h"
#include "squall/web/open_file_cache.h"

namespace squall {

struct StaticFileOptions {
  // The directory. Empty in Settings::static_options, where static_path has it.
  std::string root = {};
  // Served for a directory whose URL ends with "/"; without the "/" the client is redirected to it.
  // Empty: a directory is 403.
  std::string default_filename = {};
  // A directory without that file is listed: names, times, sizes, without those that begin with ".".
  // False: it is 403.
  bool list_directories = false;
  // Of a.css, a.css.br, a.css.zst or a.css.gz is sent when the client takes that coding and the file
  // is not older than a.css.
  bool precompressed = false;
  // Cache-Control of files whose URL has no version, such as "max-age=3600". Empty: none, as Tornado;
  // caches then guess from Last-Modified.
  std::string cache_control = {};
  // Of the Content-Type of text files, such as "utf-8". Empty: none, as Tornado and nginx; the file
  // itself may tell.
  std::string charset = {};
  using Links = SymbolicLinks;
  Links links = Links::kWithinRoot;
  // What stays open between requests. By default every copy of these options shares one of the
  // default size. Null: every request opens its file.
  std::shared_ptr<OpenFileCache> open_files = std::make_shared<OpenFileCache>();
};

}  // namespace squall

#endif  // SQUALL_WEB_STATIC_FILE_OPTIONS_H_
