#include "squall/web/utf8.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace squall::internal {

bool IsValidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const uint8_t lead = text[i];
    if (lead < 0x80) {
      ++i;
      continue;
    }
    size_t more;
    uint8_t low = 0x80;  // bounds of the second octet, which exclude overlong forms and surrogates
    uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      more = 2;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      more = 3;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (text.size() - i <= more) return false;
    for (size_t k = 1; k <= more; ++k) {
      const uint8_t octet = text[i + k];
      if (octet < low || octet > high) return false;
      low = 0x80;
      high = 0xBF;
    }
    i += more + 1;
  }
  return true;
}

uint32_t TakeUtf8Character(std::string_view& text) {
  const uint8_t lead = text.front();
  const size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  // The lead octet has one bit more than a zero for each that follows.
  uint32_t character = more == 0 ? lead : lead & (0x3Fu >> more);
  for (size_t i = 1; i <= more; ++i) {
    character = character << 6 | (static_cast<uint8_t>(text[i]) & 0x3F);
  }
  text.remove_prefix(more + 1);
  return character;
}

std::string Latin1ToUtf8(std::string_view octets) {
  std::string text;
  text.reserve(octets.size());
  for (const char c : octets) {
    const uint8_t octet = c;
    if (octet < 0x80) {
      text.push_back(c);
    } else {
      text.push_back(static_cast<char>(0xC0 | (octet >> 6)));
      text.push_back(static_cast<char>(0x80 | (octet & 0x3F)));
    }
  }
  return text;
}

}  // namespace squall::internal
