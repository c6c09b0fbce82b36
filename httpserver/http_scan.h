// Octet classes of HTTP/1 and the loops that skip runs of them.
//
//   const char* stop = internal::SkipFieldValue(begin, end);  // first octet that ends the value
//
// The vectorised form (SSE2, part of every x86-64) and the portable one give the same answer; both
// are public here so that a test and a fuzzer can hold them against each other. Nothing here
// depends on a locale. Pure functions, callable from any thread. Source: RFC 9110 §5.5, §5.6.2; RFC
// 9112 §3.
#ifndef SQUALL_HTTPSERVER_HTTP_SCAN_H_
#define SQUALL_HTTPSERVER_HTTP_SCAN_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace squall::internal {

inline constexpr uint8_t kTokenChar = 1;       // RFC 9110 tchar
inline constexpr uint8_t kFieldValueChar = 2;  // field-vchar, obs-text, SP, HTAB
inline constexpr uint8_t kTargetChar = 4;      // VCHAR and obs-text, but no "#"
inline constexpr uint8_t kHostChar = 8;        // RFC 3986 reg-name without "%" and ","
inline constexpr uint8_t kHexChar = 16;
inline constexpr uint8_t kQuotedChar = 32;  // qdtext of a quoted-string

constexpr bool IsAlpha(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool IsDigit(unsigned char c) { return c >= '0' && c <= '9'; }
constexpr bool IsOws(unsigned char c) { return c == ' ' || c == '\t'; }

constexpr std::array<uint8_t, 256> MakeCharClasses() {
  std::array<uint8_t, 256> classes{};
  for (int i = 0; i < 256; ++i) {
    const auto c = static_cast<unsigned char>(i);
    const bool alnum = IsAlpha(c) || IsDigit(c);
    uint8_t bits = 0;
    if (alnum || (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) !=
                                std::string_view::npos)) {
      bits |= kTokenChar;
    }
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= kFieldValueChar;
    if (c > 0x20 && c != 0x7f && c != '#') bits |= kTargetChar;
    if (alnum || (c != 0 && std::string_view("-._~!$&'()*+;=").find(static_cast<char>(c)) !=
                                std::string_view::npos)) {
      bits |= kHostChar;
    }
    if (IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHexChar;
    if ((bits & kFieldValueChar) != 0 && c != '"' && c != '\\') bits |= kQuotedChar;
    classes[i] = bits;
  }
  return classes;
}

inline constexpr std::array<uint8_t, 256> kCharClasses = MakeCharClasses();

// True when `c` belongs to one of the classes in `mask`.
constexpr bool HasClass(char c, uint8_t mask) {
  return (kCharClasses[static_cast<unsigned char>(c)] & mask) != 0;
}

// ASCII lower case; other octets are returned as they are.
constexpr char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The value of a hexadecimal digit, or -1.
constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Without SP and HTAB at both ends; no other octet counts as white space.
std::string_view TrimOws(std::string_view text);

// For two of the same size.
bool EqualButForCase(std::string_view a, std::string_view b);

// ASCII case-insensitive equality. Nearly always they are equal as they are or differ in size, and
// beside a literal that is one comparison of a constant size.
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         (std::char_traits<char>::compare(a.data(), b.data(), b.size()) == 0 ||
          EqualButForCase(a, b));
}

// Each returns the first position in [begin, end) whose octet is not of the class, or `end`.
const char* SkipToken(const char* begin, const char* end);
const char* SkipTarget(const char* begin, const char* end);
const char* SkipFieldValue(const char* begin, const char* end);
const char* SkipTokenPortable(const char* begin, const char* end);
const char* SkipTargetPortable(const char* begin, const char* end);
const char* SkipFieldValuePortable(const char* begin, const char* end);

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP_SCAN_H_
