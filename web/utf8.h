// Internal: is this text UTF-8, and how to make it so.
//
//   squall::internal::IsValidUtf8("caf\xc3\xa9");  // true
//   squall::internal::Latin1ToUtf8("caf\xe9");     // "caf\xc3\xa9"
//
// Pure functions. Source: RFC 3629 (no surrogates, no overlong forms, nothing above U+10FFFF).
#ifndef SQUALL_WEB_UTF8_H_
#define SQUALL_WEB_UTF8_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace squall::internal {

bool IsValidUtf8(std::string_view text);

// Takes the first character off `text`, which is not empty and IsValidUtf8().
uint32_t TakeUtf8Character(std::string_view& text);

// Each octet as the character with its number; how HTTP fields with obs-text are shown.
std::string Latin1ToUtf8(std::string_view octets);

}  // namespace squall::internal

#endif  // SQUALL_WEB_UTF8_H_
