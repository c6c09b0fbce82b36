#include "squall/web/argument.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "squall/web/utf8.h"

namespace squall::internal {

std::optional<std::string> DecodeArgument(std::string_view raw) {
  if (!IsValidUtf8(raw)) return std::nullopt;
  std::string value(raw);
  for (char& c : value) {
    const uint8_t octet = c;
    if (octet <= 0x08 || (octet >= 0x0E && octet <= 0x1F)) c = ' ';
  }
  absl::StripAsciiWhitespace(&value);
  return value;
}

}  // namespace squall::internal
