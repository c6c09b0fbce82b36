// Cookies: the Cookie field is read piece by piece, and what Set-Cookie writes is read back. The input
// is a Cookie field, or, for Set-Cookie, lines: name, value, domain and path.
//
//   bazel run --config=fuzz //httpserver:cookies_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"
#include "squall/httpserver/cookies.h"
#include "squall/httpserver/http_headers.h"

namespace squall {
namespace {

void CheckField(std::string_view field) {
  const CookieMap cookies = ParseCookie(field);
  size_t octets = 0;
  for (const auto& [name, value] : cookies) {
    octets += name.size() + value.size();
    CHECK(name.find_first_of(";=") == std::string::npos) << "a name with a separator";
    const absl::StatusOr<std::string> again = FormatSetCookie(name, value, {.path = ""});
    if (!again.ok()) continue;
    CHECK(IsValidHeaderValue(*again)) << "a Set-Cookie that is no field value";
    CHECK((ParseCookie(*again) == CookieMap{{name, value}})) << "a cookie that is not read back";
  }
  CHECK(octets <= field.size()) << "cookies longer than their field";

  // Whatever stands before the last ";" has no part in what follows.
  const size_t cut = field.rfind(';');
  if (cut == std::string_view::npos) return;
  CookieMap joined = ParseCookie(field.substr(0, cut));
  for (const auto& [name, value] : ParseCookie(field.substr(cut + 1))) joined[name] = value;
  CHECK(joined == cookies) << "a cookie that depends on the one before it";
}

std::string_view NextLine(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

void CheckSetCookie(std::string_view lines) {
  const std::string name(NextLine(lines));
  const std::string value(NextLine(lines));
  const std::string domain(NextLine(lines));
  const std::string path(NextLine(lines));
  const absl::StatusOr<std::string> field =
      FormatSetCookie(name, value,
                      {.domain = domain,
                       .path = path,
                       .expires = absl::FromUnixSeconds(1700000000),
                       .max_age = absl::Hours(1),
                       .same_site = SameSite::kNone,
                       .http_only = true,
                       .secure = true});
  if (!field.ok()) return;
  CHECK(IsValidHeaderValue(*field)) << "a Set-Cookie that is no field value";
  const auto attributes = std::count(field->begin(), field->end(), ';');
  CHECK(attributes == 5 + !domain.empty() + !path.empty()) << "text that became an attribute";
  const CookieMap again = ParseCookie(field->substr(0, field->find(';')));
  CHECK((again == CookieMap{{name, value}})) << "a cookie that is not read back";
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  squall::CheckField(input);
  squall::CheckSetCookie(input);
  return 0;
}
