// Bodies of HTML forms: urlencoded and multipart/form-data.
//
//   absl::StatusOr<squall::FormData> form = squall::ParseFormBody(head.headers(), body);
//   if (!form.ok()) Refuse(400, form.status().message());
//   for (const auto& [name, value] : form->fields) Use(name, value);
//   for (const squall::FormFile& file : form->files) Save(file.filename, file.body);
//
// Pure functions, linear in their input, with limits on what one body may cost. Source: RFC 7578,
// RFC 2046 §5.1, the WHATWG URL standard for urlencoded forms; Tornado's
// httputil.parse_body_arguments.
#ifndef SQUALL_HTTPSERVER_FORM_H_
#define SQUALL_HTTPSERVER_FORM_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/url.h"

namespace squall {

struct FormLimits {
  // Tornado's number and Tornado's way of counting: the preamble is one of them, so that 99 parts
  // with content are the most (its parse_multipart_form_data, checked by vector).
  size_t max_parts = 100;
  size_t max_part_header_size = 10 << 10;  // Octets of one part's header block.
  size_t max_fields = 1000;                // Of an urlencoded form.
};

struct FormFile {
  std::string name;      // Of the form's field.
  std::string filename;  // As sent: it may have slashes and must not be used as a path.
  std::string content_type;
  std::string_view body;  // Into the body that was given to the parser.
};

struct FormData {
  UrlArguments fields;  // In order; values are octets.
  std::vector<FormFile> files;
};

// Whether ParseFormBody() looks at a body that comes with these fields.
bool HasFormBody(const HttpHeaders& headers);

// Reads `body` as its Content-Type says; no fields for a type that is not a form. INVALID_ARGUMENT,
// to be answered by 400, for a malformed or too costly form and for one with a Content-Encoding.
absl::StatusOr<FormData> ParseFormBody(const HttpHeaders& headers, std::string_view body,
                                       const FormLimits& limits = {});

// Reads a multipart body with the given boundary, quoted or not. A part with a file name is a file
// ("application/unknown" without a type of its own). Anything after the final boundary is ignored.
// INVALID_ARGUMENT as above.
absl::StatusOr<FormData> ParseMultipartForm(std::string_view boundary, std::string_view body,
                                            const FormLimits& limits = {});

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_FORM_H_
