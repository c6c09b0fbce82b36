// Internal: whether and how an answer's body is compressed, Tornado's GZipContentEncoding.
#ifndef SQUALL_WEB_BODY_ENCODER_H_
#define SQUALL_WEB_BODY_ENCODER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "squall/httpserver/http_headers.h"
#include "squall/web/compression_options.h"
#include "squall/web/content_coding.h"

namespace squall::internal {

// What a decision on compressing needs to know.
struct EncodingRequest {
  std::string accept_encoding;  // of the request, joined
  size_t body_size = 0;         // so far
  bool whole = false;           // nothing follows
};

// Makes a strong Etag a weak one: the same tag may not name two octet strings, unless it is weak (RFC
// 9110 8.8.3).
void WeakenEtag(HttpHeaders& headers);

// Adds Accept-Encoding to the answer's Vary: another client would get another body.
void VaryByEncoding(HttpHeaders& headers);

// The coding for an answer with `headers`; null for none: the client takes none of them or likes
// "identity" more, the body is short, of another type, a part, or encoded already.
const ContentCoding* ChooseCoding(const CompressionOptions& options, const EncodingRequest& request,
                                  const HttpHeaders& headers);

// The encoder of ChooseCoding(), with Content-Encoding, without Content-Length, and with a weak Etag
// in the place of a strong one. Null for none.
std::unique_ptr<BodyEncoder> MakeBodyEncoder(const CompressionOptions& options,
                                             const EncodingRequest& request, HttpHeaders& headers);

}  // namespace squall::internal

#endif  // SQUALL_WEB_BODY_ENCODER_H_
