#include "squall/httpserver/header_parameters.h"

#include <algorithm>

#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/url.h"

namespace squall {
namespace {

// Where the parameter that begins `text` ends: the first ";" outside quotes.
size_t FindEnd(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ';' && !quoted) {
      return i;
    }
  }
  return text.size();
}

std::string Unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    out.push_back(text[escape ? ++i : i]);
  }
  return out;
}

std::string Utf8FromLatin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | octet >> 6));
      out.push_back(static_cast<char>(0x80 | (octet & 0x3f)));
    }
  }
  return out;
}

// charset "'" [ language ] "'" percent-encoded, RFC 8187 §3.2.
std::optional<std::string> DecodeExtended(std::string_view text) {
  const size_t first = text.find('\'');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = text.find('\'', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::string_view charset = text.substr(0, first);
  std::optional<std::string> octets = PercentDecode(text.substr(second + 1), UrlSpace::kPercent);
  if (!octets || internal::EqualsIgnoreCase(charset, "utf-8")) return octets;
  if (internal::EqualsIgnoreCase(charset, "iso-8859-1")) return Utf8FromLatin1(*octets);
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> HeaderParameters::Get(std::string_view name) const {
  for (const auto& [key, text] : parameters) {
    if (key == name) return text;
  }
  return std::nullopt;
}

HeaderParameters ParseHeaderParameters(std::string_view field_value) {
  HeaderParameters result;
  std::vector<std::pair<std::string, std::string>> plain;
  size_t end = FindEnd(field_value);
  result.value = std::string(internal::TrimOws(field_value.substr(0, end)));
  while (end < field_value.size()) {
    field_value.remove_prefix(end + 1);
    end = FindEnd(field_value);
    const std::string_view piece = field_value.substr(0, end);
    const size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    std::string name(internal::TrimOws(piece.substr(0, equals)));
    std::transform(name.begin(), name.end(), name.begin(), internal::ToLower);
    const std::string text = Unquote(internal::TrimOws(piece.substr(equals + 1)));
    if (name.empty() || name.back() != '*') {
      plain.emplace_back(std::move(name), text);
    } else if (std::optional<std::string> decoded = DecodeExtended(text)) {
      name.pop_back();
      result.parameters.emplace_back(std::move(name), *std::move(decoded));
    }
  }
  // Extended ones stand first, so that Get finds them first.
  std::move(plain.begin(), plain.end(), std::back_inserter(result.parameters));
  return result;
}

}  // namespace squall
