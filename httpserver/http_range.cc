#include "squall/httpserver/http_range.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "squall/httpserver/http_scan.h"

namespace squall {
namespace {

// Reads digits between white space; what 63 bits cannot hold is as large as they can. Nothing but
// white space leaves `out` empty; false for other text.
bool ParseBound(std::string_view text, std::optional<int64_t>& out) {
  text = internal::TrimOws(text);
  if (text.empty()) return true;
  // One below the largest number, so that the position after it is one, too.
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max() - 1;
  int64_t value = 0;
  for (const char c : text) {
    if (!internal::IsDigit(c)) return false;
    const int digit = c - '0';
    value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
  }
  out = value;
  return true;
}

}  // namespace

std::optional<RequestRange> ParseRequestRange(std::string_view value) {
  const size_t equals = value.find('=');
  if (!internal::EqualsIgnoreCase(internal::TrimOws(value.substr(0, equals)), "bytes")) {
    return std::nullopt;
  }
  value = equals == std::string_view::npos ? "" : value.substr(equals + 1);
  const size_t dash = value.find('-');
  RequestRange range;
  if (!ParseBound(value.substr(0, dash), range.start)) return std::nullopt;
  if (dash != std::string_view::npos && !ParseBound(value.substr(dash + 1), range.end)) {
    return std::nullopt;
  }
  if (!range.end.has_value()) return range;
  if (range.start.has_value()) {
    ++*range.end;
  } else if (*range.end != 0) {
    range.start = -*range.end;
    range.end.reset();
  }
  return range;
}

std::optional<OctetRange> ResolveRange(const RequestRange& range, int64_t total) {
  int64_t start = range.start.value_or(0);
  if (start < 0) start = std::max<int64_t>(start + total, 0);
  const int64_t end = std::min(range.end.value_or(total), total);
  const bool inverted = range.end.has_value() && start >= *range.end;
  if (range.start.has_value() && (start >= total || inverted)) return std::nullopt;
  if (range.end == 0) return std::nullopt;
  return OctetRange{.start = start, .size = end - start};
}

std::string FormatContentRange(std::optional<int64_t> start, std::optional<int64_t> end,
                               int64_t total) {
  const int64_t stop = end.value_or(0) != 0 ? *end : total;
  return absl::StrCat("bytes ", start.value_or(0), "-", stop - 1, "/", total);
}

}  // namespace squall
