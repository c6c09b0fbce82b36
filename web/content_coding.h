// How a body may be compressed on its way to the client: a content coding of RFC 9110 8.4.1.
//
//   squall::Settings settings;
//   settings.compress_response = true;
//   settings.compression.codings = {squall::BrotliCoding(), squall::GzipCoding()};
//
// gzip_coding.h has gzip. Brotli and Zstandard are in targets of their own, //web:brotli
// (brotli_coding.h) and //web:zstd (zstd_coding.h), so that only who wants them links their libraries.
#ifndef SQUALL_WEB_CONTENT_CODING_H_
#define SQUALL_WEB_CONTENT_CODING_H_

#include <functional>
#include <memory>
#include <string>

namespace squall {

// Compresses one body.
class BodyEncoder {
 public:
  virtual ~BodyEncoder() = default;
  // Replaces `body`, a further piece of the answer, by its encoded form. Every piece is flushed, so
  // that the client can show it; after the `last` one the encoder is done.
  virtual void Encode(std::string& body, bool last) = 0;
};

struct ContentCoding {
  std::string name;  // as in Content-Encoding, lower case
  std::function<std::unique_ptr<BodyEncoder>()> make_encoder;
};

}  // namespace squall

#endif  // SQUALL_WEB_CONTENT_CODING_H_
