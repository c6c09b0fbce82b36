// Cookies: reading the Cookie field and writing Set-Cookie.
//
//   squall::CookieMap cookies = squall::ParseCookie("chips=ahoy; vienna=finger");
//   absl::StatusOr<std::string> field = squall::FormatSetCookie("sec", "1", {.http_only = true});
//   // "sec=1; HttpOnly; Path=/"
//
// Pure functions, linear in their input. Source: RFC 6265 where browsers follow it; Tornado's
// httputil.parse_cookie and Python's http.cookies for the format.
#ifndef SQUALL_HTTPSERVER_COOKIES_H_
#define SQUALL_HTTPSERVER_COOKIES_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace squall {

using CookieMap = std::map<std::string, std::string, std::less<>>;

// Reads the value of a Cookie field as browsers write it: every ";" ends a cookie, also inside
// quotes, a piece without "=" has the name "", the last of equal names wins, a quoted value loses
// its quotes and its escapes. Several Cookie fields are joined by "; " first. Never fails.
CookieMap ParseCookie(std::string_view field_value);

enum class SameSite { kStrict, kLax, kNone };

struct SetCookieOptions {
  std::string domain = {};
  std::string path = "/";                                // Empty: no Path attribute.
  std::optional<absl::Time> expires = std::nullopt;      // As "expires" with an HTTP date.
  std::optional<absl::Duration> max_age = std::nullopt;  // Whole seconds.
  std::optional<SameSite> same_site = std::nullopt;
  bool http_only = false;
  bool secure = false;
  bool partitioned = false;  // A jar for each top-level site (CHIPS).
};

// The value of a Set-Cookie field. A value with octets that a cookie cannot have bare is quoted,
// with \ooo escapes, which ParseCookie reads back. INVALID_ARGUMENT for a name that is not a token
// or is the name of an attribute, a value with control characters or spaces, an attribute with
// those or ";", and for what browsers drop in silence: SameSite=None or Partitioned without Secure, a
// name with __Secure- without Secure, one with __Host- without Secure, with a Domain or another path
// than "/" (RFC 6265bis 4.1.3).
absl::StatusOr<std::string> FormatSetCookie(std::string_view name, std::string_view value,
                                            const SetCookieOptions& options = {});

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_COOKIES_H_
