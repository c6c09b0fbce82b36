#include "squall/httpserver/cookies.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_date.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

bool IsOctal(char c, char highest) { return c >= '0' && c <= highest; }

// "a=\"b\\073\"" without quotes and escapes: \ooo is an octet, \x is x.
std::string Unquote(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  value = value.substr(1, value.size() - 2);
  std::string out;
  out.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\' || i + 1 == value.size()) {
      out.push_back(value[i]);
    } else if (i + 3 < value.size() && IsOctal(value[i + 1], '3') && IsOctal(value[i + 2], '7') &&
               IsOctal(value[i + 3], '7')) {
      out.push_back(static_cast<char>((value[i + 1] - '0') << 6 | (value[i + 2] - '0') << 3 |
                                      (value[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(value[++i]);
    }
  }
  return out;
}

// Python's _LegalChars: what a name may have and an unquoted value.
bool IsLegal(char c) { return internal::HasClass(c, internal::kTokenChar) || c == ':'; }

bool AllLegal(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsLegal);
}

// Python's _UnescapedChars: what a quoted value may have as it is.
bool IsUnescaped(char c) {
  return IsLegal(c) ||
         (c != '\0' && std::string_view(" ()/<=>?@[]{}").find(c) != std::string_view::npos);
}

std::string Quote(std::string_view value) {
  if (AllLegal(value)) return std::string(value);
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (IsUnescaped(c)) {
      out.push_back(c);
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out.push_back('\\');
      out.push_back(static_cast<char>('0' + (octet >> 6)));
      out.push_back(static_cast<char>('0' + (octet >> 3 & 7)));
      out.push_back(static_cast<char>('0' + (octet & 7)));
    }
  }
  out.push_back('"');
  return out;
}

bool HasControlOrSpace(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

absl::Status CheckAttribute(std::string_view attribute, std::string_view text) {
  if (!HasControlOrSpace(text) && text.find(';') == std::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("cookie attribute ", ToAbsl(attribute), "=\"",
                                                 absl::CHexEscape(ToAbsl(text)),
                                                 "\" has a control character, a space or \";\""));
}

// What browsers ask of a cookie beyond its syntax; they drop it without a word.
absl::Status CheckRules(std::string_view name, const SetCookieOptions& options) {
  const auto begins = [name](std::string_view prefix) {
    return internal::EqualsIgnoreCase(name.substr(0, prefix.size()), prefix);
  };
  const bool host = begins("__Host-");
  std::string_view needs;
  if (options.same_site == SameSite::kNone) needs = "SameSite=None";
  if (options.partitioned) needs = "Partitioned";
  if (begins("__Secure-")) needs = "the prefix __Secure-";
  if (host) needs = "the prefix __Host-";
  if (!needs.empty() && !options.secure) {
    return absl::InvalidArgumentError(absl::StrCat("cookie \"", ToAbsl(name), "\": browsers take ",
                                                   ToAbsl(needs), " with Secure only"));
  }
  if (host && (!options.domain.empty() || options.path != "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("cookie \"", ToAbsl(name),
                     "\": browsers take the prefix __Host- with Path=/ and without Domain only"));
  }
  return absl::OkStatus();
}

std::string_view SameSiteName(SameSite same_site) {
  switch (same_site) {
    case SameSite::kStrict:
      return "Strict";
    case SameSite::kLax:
      return "Lax";
    case SameSite::kNone:
      return "None";
  }
  return "";
}

}  // namespace

CookieMap ParseCookie(std::string_view field_value) {
  CookieMap cookies;
  while (!field_value.empty()) {
    const size_t end = std::min(field_value.find(';'), field_value.size());
    const std::string_view piece = field_value.substr(0, end);
    field_value.remove_prefix(std::min(end + 1, field_value.size()));
    const size_t equals = piece.find('=');
    const bool named = equals != std::string_view::npos;
    const std::string_view name = named ? internal::TrimOws(piece.substr(0, equals)) : "";
    const std::string_view value = internal::TrimOws(named ? piece.substr(equals + 1) : piece);
    if (name.empty() && value.empty()) continue;
    cookies.insert_or_assign(std::string(name), Unquote(value));
  }
  return cookies;
}

absl::StatusOr<std::string> FormatSetCookie(std::string_view name, std::string_view value,
                                            const SetCookieOptions& options) {
  constexpr std::array<std::string_view, 10> kReserved = {
      "comment",     "domain", "expires",  "httponly", "max-age",
      "partitioned", "path",   "samesite", "secure",   "version"};
  const bool reserved = std::any_of(kReserved.begin(), kReserved.end(), [&](std::string_view r) {
    return internal::EqualsIgnoreCase(r, name);
  });
  if (!AllLegal(name) || reserved) {
    return absl::InvalidArgumentError(absl::StrCat("\"", absl::CHexEscape(ToAbsl(name)),
                                                   "\" is not a cookie name: it has to be a token "
                                                   "that is not the name of an attribute"));
  }
  if (HasControlOrSpace(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the value \"", absl::CHexEscape(ToAbsl(value)), "\" of cookie \"",
                     ToAbsl(name), "\" has a control character or a space; encode it first"));
  }
  if (absl::Status s = CheckAttribute("Domain", options.domain); !s.ok()) return s;
  if (absl::Status s = CheckAttribute("Path", options.path); !s.ok()) return s;
  if (absl::Status s = CheckRules(name, options); !s.ok()) return s;
  // The attributes come in the order of http.cookies, which sorts them.
  std::string out = absl::StrCat(ToAbsl(name), "=", Quote(value));
  if (!options.domain.empty()) absl::StrAppend(&out, "; Domain=", options.domain);
  if (options.expires) absl::StrAppend(&out, "; expires=", FormatHttpDate(*options.expires));
  if (options.http_only) out.append("; HttpOnly");
  if (options.max_age) {
    absl::StrAppend(&out, "; Max-Age=", absl::ToInt64Seconds(*options.max_age));
  }
  if (options.partitioned) out.append("; Partitioned");
  if (!options.path.empty()) absl::StrAppend(&out, "; Path=", options.path);
  if (options.same_site)
    absl::StrAppend(&out, "; SameSite=", ToAbsl(SameSiteName(*options.same_site)));
  if (options.secure) out.append("; Secure");
  return out;
}

}  // namespace squall
