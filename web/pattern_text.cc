#include "squall/web/pattern_text.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/httpserver/url.h"

namespace squall::internal {

namespace {

constexpr std::string_view kMeta = "\\^$.|?*+()[]{}";
constexpr std::string_view kQuantifiers = "?*+{";

std::string_view WithoutAnchors(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  const bool escaped = pattern.ends_with("\\$");
  if (pattern.ends_with('$') && !escaped) pattern.remove_suffix(1);
  return pattern;
}

// The octet that the front of `pattern` stands for, taken off it; nullopt, and nothing taken, when
// the front is no plain octet.
std::optional<char> TakeOctet(std::string_view& pattern) {
  if (pattern.empty()) return std::nullopt;
  size_t size = 1;
  char octet = pattern[0];
  if (octet == '\\') {
    if (pattern.size() < 2 || !absl::ascii_ispunct(pattern[1])) return std::nullopt;
    octet = pattern[1];
    size = 2;
  } else if (kMeta.find(octet) != std::string_view::npos) {
    return std::nullopt;
  }
  if (size < pattern.size() && kQuantifiers.find(pattern[size]) != std::string_view::npos) {
    return std::nullopt;
  }
  pattern.remove_prefix(size);
  return octet;
}

// The offset behind the class that begins at `at`, a "[".
size_t SkipClass(std::string_view pattern, size_t at) {
  ++at;
  if (at < pattern.size() && pattern[at] == '^') ++at;
  if (at < pattern.size() && pattern[at] == ']') ++at;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern.substr(at).starts_with("[:")) {
      const size_t end = pattern.find(":]", at);
      at = end == std::string_view::npos ? pattern.size() : end + 2;
    } else {
      at += pattern[at] == '\\' ? 2 : 1;
    }
  }
  return at + 1;
}

// True unless every "|" is sure to be within a group.
bool MayHaveAlternation(std::string_view pattern) {
  if (pattern.find('|') == std::string_view::npos) return false;
  if (pattern.find("\\Q") != std::string_view::npos) return true;
  int depth = 0;
  for (size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '[') {
      at = SkipClass(pattern, at);
      continue;
    }
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == '|' && depth <= 0) return true;
    at += c == '\\' ? 2 : 1;
  }
  return false;
}

// Takes a capturing group without groups in it off the front of `pattern`.
bool TakeGroup(std::string_view& pattern) {
  if (!pattern.starts_with('(')) return false;
  size_t at = 1;
  if (pattern.substr(at).starts_with("?P<")) {
    at = pattern.find('>');
    if (at == std::string_view::npos) return false;
    ++at;
  } else if (pattern.substr(at).starts_with('?')) {
    return false;
  }
  while (at < pattern.size() && pattern[at] != ')') {
    if (pattern[at] == '(') return false;
    if (pattern[at] == '[') {
      at = SkipClass(pattern, at);
    } else {
      at += pattern[at] == '\\' ? 2 : 1;
    }
  }
  if (at >= pattern.size()) return false;
  pattern.remove_prefix(at + 1);
  return pattern.empty() || kQuantifiers.find(pattern[0]) == std::string_view::npos;
}

}  // namespace

PatternText AnalyzePattern(std::string_view pattern) {
  std::string_view rest = WithoutAnchors(pattern);
  PatternText text;
  text.alternation = MayHaveAlternation(rest);
  if (text.alternation) return text;
  while (const std::optional<char> octet = TakeOctet(rest)) text.prefix.push_back(*octet);
  text.literal = rest.empty();
  return text;
}

std::optional<UrlTemplate> UrlTemplate::FromPattern(std::string_view pattern) {
  std::string_view rest = WithoutAnchors(pattern);
  UrlTemplate result;
  result.pieces_.emplace_back();
  while (!rest.empty()) {
    if (const std::optional<char> octet = TakeOctet(rest)) {
      result.pieces_.back().push_back(*octet);
    } else if (TakeGroup(rest)) {
      result.pieces_.emplace_back();
    } else {
      return std::nullopt;
    }
  }
  return result;
}

std::string UrlTemplate::Fill(const std::vector<std::string>& values) const {
  CHECK_EQ(values.size(), gaps());
  std::string url = pieces_.front();
  for (size_t i = 0; i < values.size(); ++i) {
    absl::StrAppend(&url, UrlEscape(values[i], UrlSpace::kPercent), pieces_[i + 1]);
  }
  return url;
}

}  // namespace squall::internal
