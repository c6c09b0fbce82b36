#include "squall/httpserver/http_scan.h"

#include <random>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace squall::internal {
namespace {

// Each octet at each place of each short length, against a definition written from the RFC.
TEST(HttpScanTest, TwinsAgreeOnEveryOctetAndPlace) {
  for (int octet = 0; octet < 256; ++octet) {
    const bool in_value = octet == '\t' || (octet >= 0x20 && octet != 0x7f);
    const bool in_target = octet > 0x20 && octet != 0x7f && octet != '#';
    const bool in_token = octet > 0x20 && octet < 0x7f &&
                          std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(octet)) ==
                              std::string_view::npos;
    // Behind 50, sizes of which SkipFieldValue() takes 64 octets at once.
    for (size_t size = 1; size <= 170; size += size < 50 ? 1 : 40) {
      for (size_t at = 0; at < size; ++at) {
        std::string text(size, 'v');
        text[at] = static_cast<char>(octet);
        const char* begin = text.data();
        const char* end = begin + size;
        const char* value_stop = in_value ? end : begin + at;
        const char* target_stop = in_target ? end : begin + at;
        const char* token_stop = in_token ? end : begin + at;
        ASSERT_EQ(SkipFieldValue(begin, end), value_stop) << octet << " " << size << " " << at;
        ASSERT_EQ(SkipFieldValuePortable(begin, end), value_stop) << octet;
        ASSERT_EQ(SkipTarget(begin, end), target_stop) << octet << " " << size << " " << at;
        ASSERT_EQ(SkipTargetPortable(begin, end), target_stop) << octet;
        ASSERT_EQ(SkipToken(begin, end), token_stop) << octet << " " << size << " " << at;
        ASSERT_EQ(SkipTokenPortable(begin, end), token_stop) << octet;
      }
    }
  }
}

TEST(HttpScanTest, TwinsAgreeOnRandomText) {
  std::mt19937 random(12345);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 200, ' ');
    for (char& c : text) c = static_cast<char>(random() % 64 == 0 ? random() : 'a' + random() % 26);
    const char* begin = text.data();
    const char* end = begin + text.size();
    ASSERT_EQ(SkipFieldValue(begin, end), SkipFieldValuePortable(begin, end));
    ASSERT_EQ(SkipTarget(begin, end), SkipTargetPortable(begin, end));
    ASSERT_EQ(SkipToken(begin, end), SkipTokenPortable(begin, end));
  }
}

TEST(HttpScanTest, WhiteSpaceIsSpaceAndTabOnly) {
  EXPECT_EQ(TrimOws(" \t a b\t "), "a b");
  EXPECT_EQ(TrimOws(" \t"), "");
  EXPECT_EQ(TrimOws("\x0b"
                    "a\xa0"),
            "\x0b"
            "a\xa0");
}

TEST(HttpScanTest, CaseIsAsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("aZ@[", "Az@["));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoreCase("\xc9", "\xe9"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
}

}  // namespace
}  // namespace squall::internal
