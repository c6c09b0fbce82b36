// What is compressed on its way to the client, and how: Tornado's GZipContentEncoding with its
// constants as options.
//
//   squall::Settings settings;
//   settings.compress_response = true;
//   settings.compression = {.codings = {squall::BrotliCoding(), squall::GzipCoding(9)},
//                           .min_length = 500};
#ifndef SQUALL_WEB_COMPRESSION_OPTIONS_H_
#define SQUALL_WEB_COMPRESSION_OPTIONS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "squall/web/content_coding.h"
#include "squall/web/gzip_coding.h"

namespace squall {

struct CompressionOptions {
  // The client's weights decide (Accept-Encoding, RFC 9110 12.5.3); of those that it likes as much,
  // the first.
  std::vector<ContentCoding> codings = {GzipCoding()};
  // Shorter bodies leave as they are. Does not count for bodies in pieces, by Flush().
  size_t min_length = 1024;
  // Types of bodies that are compressed, in lower case and without parameters. "text/*" are all
  // that begin with "text/".
  std::vector<std::string> content_types = {"text/*",
                                            "application/javascript",
                                            "application/x-javascript",
                                            "application/xml",
                                            "application/atom+xml",
                                            "application/json",
                                            "application/xhtml+xml",
                                            "image/svg+xml"};
};

}  // namespace squall

#endif  // SQUALL_WEB_COMPRESSION_OPTIONS_H_
