#include "squall/web/argument.h"

#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"

namespace squall::internal {

std::string CleanArgument(std::string text, bool strip) {
  for (char& c : text) {
    const uint8_t octet = c;
    if (octet <= 0x08 || (octet >= 0x0E && octet <= 0x1F)) c = ' ';
  }
  if (strip) absl::StripAsciiWhitespace(&text);
  return text;
}

}  // namespace squall::internal
