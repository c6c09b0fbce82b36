// The Range field, against a second reading of RFC 9110's grammar, and the octets that it means. The
// first octet is the length of the representation; 255 is the longest there can be.
//
//   bazel run --config=fuzz //httpserver:range_fuzz_test -- -max_total_time=600 DIR
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "squall/base/logging.h"
#include "squall/httpserver/http_range.h"

namespace squall {
namespace {

std::optional<int64_t> Number(std::string_view digits) {
  if (digits.empty() ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc() || value >= std::numeric_limits<int64_t>::max()) return std::nullopt;
  return value;
}

// What RFC 9110 14.1.2 says of one well-formed range: `met` is whether it can be met.
struct Meaning {
  bool met;
  OctetRange octets;
};

std::optional<Meaning> ByTheGrammar(std::string_view field, int64_t total) {
  if (!field.starts_with("bytes=")) return std::nullopt;
  field.remove_prefix(6);
  const size_t dash = field.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view first_text = field.substr(0, dash);
  const std::string_view last_text = field.substr(dash + 1);
  const std::optional<int64_t> first = Number(first_text);
  const std::optional<int64_t> last = Number(last_text);
  if (first && (last || last_text.empty())) {
    const int64_t until = std::min(last.value_or(total - 1), total - 1);
    return Meaning{*first <= until, {*first, until - *first + 1}};
  }
  if (!first_text.empty() || !last) return std::nullopt;
  const int64_t size = std::min(*last, total);
  return Meaning{size > 0, {total - size, size}};
}

void Check(std::string_view field, int64_t total) {
  const std::optional<RequestRange> range = ParseRequestRange(field);
  const std::optional<Meaning> meaning = ByTheGrammar(field, total);
  CHECK(!meaning.has_value() || range.has_value()) << "a range of the grammar is refused";
  if (!range.has_value()) return;
  CHECK(field.find(',') == std::string_view::npos) << "several ranges are taken for one";
  const std::optional<OctetRange> octets = ResolveRange(*range, total);
  if (meaning.has_value()) {
    CHECK(octets.has_value() == meaning->met) << "another answer whether the range can be met";
    CHECK(!octets ||
          (octets->start == meaning->octets.start && octets->size == meaning->octets.size))
        << "other octets";
  }
  if (!octets.has_value()) return;
  CHECK(octets->start >= 0 && octets->size >= 0) << "octets before the beginning";
  CHECK(octets->size <= total - octets->start) << "octets behind the end";
  if (octets->size == 0) return;
  const int64_t end = octets->start + octets->size;
  const std::string content = FormatContentRange(octets->start, end, total);
  CHECK(content == "bytes " + std::to_string(octets->start) + "-" + std::to_string(end - 1) + "/" +
                       std::to_string(total))
      << "another Content-Range";
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int64_t total = data[0] == 255 ? std::numeric_limits<int64_t>::max() : data[0];
  squall::Check({reinterpret_cast<const char*>(data) + 1, size - 1}, total);
  return 0;
}
