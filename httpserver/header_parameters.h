// Fields of the form `value; name=value; name="quoted"`, such as Content-Type and
// Content-Disposition.
//
//   auto type = squall::ParseHeaderParameters("text/html; Charset=\"utf-8\"");
//   type.value;            // "text/html"
//   type.Get("charset");   // "utf-8"
//
// Pure functions, linear in their input. Source: RFC 9110 §5.6.6, RFC 8187 for `name*=`; what
// browsers send in quotes as Tornado's httputil._parse_header reads it.
#ifndef SQUALL_HTTPSERVER_HEADER_PARAMETERS_H_
#define SQUALL_HTTPSERVER_HEADER_PARAMETERS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace squall {

struct HeaderParameters {
  std::string value;                                            // As written, without white space.
  std::vector<std::pair<std::string, std::string>> parameters;  // Names in lower case, in order.

  // The first parameter of that name (lower case). A `name*=` is kept under `name` and counts more
  // than a plain one.
  std::optional<std::string_view> Get(std::string_view name) const;
};

// Never fails: a parameter without "=" is left out, as is a `name*=` in another charset than UTF-8
// or ISO-8859-1 or with broken escapes. Inside quotes only \" and \\ are escapes, because some
// browsers send paths with bare backslashes. Values may contain any octets that the field or the
// escapes had.
HeaderParameters ParseHeaderParameters(std::string_view field_value);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HEADER_PARAMETERS_H_
