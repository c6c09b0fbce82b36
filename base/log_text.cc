#include "squall/base/log_text.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace squall::internal {
namespace {

void AppendHex(unsigned char c, std::string& line) {
  constexpr char kDigits[] = "0123456789abcdef";
  line += "\\x";
  line.push_back(kDigits[c >> 4]);
  line.push_back(kDigits[c & 15]);
}

bool IsC1(std::string_view message, size_t at) {
  if (static_cast<unsigned char>(message[at]) != 0xC2 || at + 1 == message.size()) return false;
  const unsigned char next = message[at + 1];
  return next >= 0x80 && next <= 0x9F;
}

}  // namespace

void AppendLogText(std::string_view message, std::string& line) {
  line.reserve(line.size() + message.size() + 1);
  for (size_t i = 0; i < message.size(); ++i) {
    const unsigned char c = message[i];
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\r') {
      line += "\\r";
    } else if (c == '\t') {
      line += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
      AppendHex(c, line);
    } else if (IsC1(message, i)) {
      AppendHex(c, line);
      AppendHex(message[++i], line);
    } else {
      line.push_back(message[i]);
    }
  }
}

}  // namespace squall::internal
