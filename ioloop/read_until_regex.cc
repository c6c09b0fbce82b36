#include "squall/ioloop/read_until_regex.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "re2/re2.h"
#include "squall/base/string_view.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

std::unique_ptr<const re2::RE2> Compile(std::string_view pattern) {
  re2::RE2::Options options(re2::RE2::Latin1);
  options.set_log_errors(false);
  return std::make_unique<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()),
                                          options);
}

absl::Status Invalid(const re2::RE2& pattern) {
  return absl::InvalidArgumentError(absl::StrCat("ReadUntilRegex: \"",
                                                 absl::CEscape(pattern.pattern()),
                                                 "\" is no regular expression: ", pattern.error()));
}

Task<absl::StatusOr<std::string>> Fail(absl::Status status) { co_return status; }

std::optional<size_t> EndOfMatch(const re2::RE2& pattern, std::string_view octets) {
  const re2::StringPiece text(octets.data(), octets.size());
  re2::StringPiece match;
  if (!pattern.Match(text, 0, text.size(), re2::RE2::UNANCHORED, &match, 1)) return std::nullopt;
  return match.data() + match.size() - text.data();
}

}  // namespace

Task<absl::StatusOr<std::string>> ReadUntilRegex(IOStream& stream, std::string_view pattern,
                                                 size_t max_bytes) {
  std::unique_ptr<const re2::RE2> compiled = Compile(pattern);
  if (!compiled->ok()) return Fail(Invalid(*compiled));
  return stream.ReadUntilMatch(
      [compiled = std::move(compiled)](std::string_view octets) {
        return EndOfMatch(*compiled, octets);
      },
      max_bytes);
}

Task<absl::StatusOr<std::string>> ReadUntilRegex(IOStream& stream, const re2::RE2* pattern,
                                                 size_t max_bytes) {
  if (!pattern->ok()) return Fail(Invalid(*pattern));
  return stream.ReadUntilMatch(
      [pattern](std::string_view octets) { return EndOfMatch(*pattern, octets); }, max_bytes);
}

}  // namespace squall
