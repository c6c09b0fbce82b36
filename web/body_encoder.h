// Internal: compression of an answer's body (Content-Encoding: gzip), Tornado's
// GZipContentEncoding.
#ifndef SQUALL_WEB_BODY_ENCODER_H_
#define SQUALL_WEB_BODY_ENCODER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "squall/httpserver/http_headers.h"

namespace squall::internal {

class BodyEncoder {
 public:
  virtual ~BodyEncoder() = default;
  // Replaces `body`, a further piece of the answer, by its encoded form. Every piece is flushed, so
  // that the client can show it; after the `last` one the encoder is done.
  virtual void Encode(std::string& body, bool last) = 0;
};

// What a decision on compressing needs to know.
struct EncodingRequest {
  std::string accept_encoding;  // of the request, joined
  size_t body_size = 0;         // so far
  bool whole = false;           // nothing follows
};

// Adds Vary: Accept-Encoding to the answer's `headers` and, when the client accepts gzip and the
// body is of a text type and at least 1 KiB (or of unknown length), sets Content-Encoding, removes
// Content-Length and returns the encoder. Null otherwise.
std::unique_ptr<BodyEncoder> MakeBodyEncoder(const EncodingRequest& request, HttpHeaders& headers);

}  // namespace squall::internal

#endif  // SQUALL_WEB_BODY_ENCODER_H_
