// The header of one part of a multipart/form-data body.
#ifndef SQUALL_HTTPSERVER_MULTIPART_PART_H_
#define SQUALL_HTTPSERVER_MULTIPART_PART_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/httpserver/http_headers.h"

namespace squall {

struct MultipartPart {
  HttpHeaders headers;
  std::string name;          // of the form's field, never empty
  std::string filename;      // as sent: it must not be used as a path; empty: a plain field
  std::string content_type;  // "application/unknown" when a file has none
};

namespace internal {

// `block`: the header's lines, without the empty one. INVALID_ARGUMENT for a line that is no field,
// a missing Content-Disposition: form-data or name, and a control character in one of the names.
absl::StatusOr<MultipartPart> ParseMultipartPart(std::string_view block);

// RFC 2046 5.1.1 allows 70 octets. The bound also bounds what a search for the delimiter can cost.
absl::Status CheckBoundary(std::string_view boundary);

absl::Status MalformedMultipart(std::string_view what);
// RESOURCE_EXHAUSTED, to be answered by 413, which it says to web/.
absl::Status FormTooLarge(std::string_view what);

}  // namespace internal
}  // namespace squall

#endif  // SQUALL_HTTPSERVER_MULTIPART_PART_H_
