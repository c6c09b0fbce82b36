// Percent-encoding, query strings and the pieces of a request target.
//
//   auto [path, query] = squall::SplitTarget("/find?q=a+b&lang=");  // raw, nothing decoded
//   for (const auto& [name, value] : squall::ParseQuery(query)) {
//     Use(name, value);  // "q" and "a b", then "lang" and ""
//   }
//   squall::UrlConcat("/find?q=1", {{"page", "2"}});  // "/find?q=1&page=2"
//
// Pure functions, linear in their input. Decoded text is octets: whether it is UTF-8 is the
// caller's question. Source: RFC 3986, the WHATWG URL standard for forms, Tornado's httputil.
#ifndef SQUALL_HTTPSERVER_URL_H_
#define SQUALL_HTTPSERVER_URL_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace squall {

// How a space is written: "+" in queries and forms, "%20" in paths.
enum class UrlSpace { kPlus, kPercent };

using UrlArguments = std::vector<std::pair<std::string, std::string>>;

// `text` with each %XX replaced by its octet, and "+" by a space for kPlus. Empty when a "%" is not
// followed by two hexadecimal digits.
std::optional<std::string> PercentDecode(std::string_view text, UrlSpace space);

// The same, but a "%" without two hexadecimal digits stays as it is, as browsers and Tornado have
// it.
std::string PercentDecodeLenient(std::string_view text, UrlSpace space);

// Tornado's url_escape: all but letters, digits and "_.-~" becomes %XX; for kPercent "/" stays,
// too.
std::string UrlEscape(std::string_view text, UrlSpace space);

// Path and query of a raw target, split at the first "?", nothing decoded.
struct TargetParts {
  std::string_view path;
  std::string_view query;
};
TargetParts SplitTarget(std::string_view target);

// The name=value pairs of a query or an urlencoded form, decoded leniently, in order, blank values
// kept, empty pairs left out. "&" is the only separator.
UrlArguments ParseQuery(std::string_view query);

// `arguments` encoded as a query: "a=1&b=x+y".
std::string EncodeQuery(const UrlArguments& arguments);

// `url` with `arguments` appended to its query, before a fragment. As Tornado's url_concat: with
// arguments to add, the query that is there is decoded and encoded again ("?x" becomes "?x=").
std::string UrlConcat(std::string_view url, const UrlArguments& arguments);

// "a:80" gives "a" and 80, "[::1]" gives "[::1]" and no port. What is not digits after the last
// colon, or above 65535, belongs to the host. The view is into `netloc`.
struct HostAndPort {
  std::string_view host;
  std::optional<int> port;
};
HostAndPort SplitHostAndPort(std::string_view netloc);

// The host alone, in lower case: "a" of "A:80", of "A:" and of "A" (RFC 3986 6.2.3).
std::string HostName(std::string_view authority);

// True when `text` is a valid Host field value: RFC 3986 host with an optional port, or empty. A
// comma is refused although the grammar has it, because proxies join repeated fields by it.
bool IsValidHost(std::string_view text);

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_URL_H_
