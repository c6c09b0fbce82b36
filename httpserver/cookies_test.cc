#include "squall/httpserver/cookies.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/unit_vectors.h"

namespace squall {
namespace {

TEST(CookiesTest, ParsesAsTornado) {
  for (const auto& row : internal::UnitVectors("parse_cookie")) {
    CookieMap expected;
    for (const auto& [name, value] : row["out"].items()) {
      expected[name] = internal::Latin1(value.get<std::string>());
    }
    EXPECT_EQ(ParseCookie(row["in"].get<std::string>()), expected) << row["in"];
  }
}

// CVE-2014 and 4.4.2: parsed differently from browsers, a cookie could be smuggled into another.
TEST(CookiesTest, SemicolonEndsAlsoInsideQuotes) {
  const CookieMap cookies = ParseCookie("ga=\"x; _xsrf=evil\"");
  EXPECT_EQ(cookies.at("ga"), "\"x");
  EXPECT_EQ(cookies.at("_xsrf"), "evil\"");
}

TEST(CookiesTest, EdgesOfQuoting) {
  EXPECT_EQ(ParseCookie("a=\"").at("a"), "\"");
  EXPECT_EQ(ParseCookie("a=\"\"").at("a"), "");
  EXPECT_EQ(ParseCookie("a=\"\\\"").at("a"), "\\");
  EXPECT_EQ(ParseCookie("a=\"\\07\"").at("a"), "07");
  EXPECT_TRUE(ParseCookie("").empty());
  EXPECT_TRUE(ParseCookie(" ;;; = ; ").empty());
}

// CVE-2024-52804. Quadratic work would not end within the test's time.
TEST(CookiesTest, BackslashesAreLinear) {
  const std::string value(4 << 20, '\\');
  EXPECT_EQ(ParseCookie("a=\"" + value + "\"").at("a").size(), value.size() / 2);
  std::string many;
  for (int i = 0; i < 200'000; ++i) many += "a=\"\\141\";";
  EXPECT_EQ(ParseCookie(many).at("a"), "a");
}

TEST(CookiesTest, FormatsAsPython) {
  EXPECT_EQ(*FormatSetCookie("str", "asdf"), "str=asdf; Path=/");
  EXPECT_EQ(*FormatSetCookie("equals", "a=b"), "equals=\"a=b\"; Path=/");
  EXPECT_EQ(*FormatSetCookie("semicolon", "a;b"), "semicolon=\"a\\073b\"; Path=/");
  EXPECT_EQ(*FormatSetCookie("quote", "a\"b\\"), "quote=\"a\\\"b\\\\\"; Path=/");
  EXPECT_EQ(*FormatSetCookie("octets", "\xc3\xa9,"), "octets=\"\\303\\251\\054\"; Path=/");
  EXPECT_EQ(*FormatSetCookie("empty", ""), "empty=\"\"; Path=/");
  EXPECT_EQ(*FormatSetCookie("dom", "blah", {.domain = "foo.com", .path = "/foo"}),
            "dom=blah; Domain=foo.com; Path=/foo");
  EXPECT_EQ(*FormatSetCookie("sec", "1",
                             {.same_site = SameSite::kLax, .http_only = true, .secure = true}),
            "sec=1; HttpOnly; Path=/; SameSite=Lax; Secure");
  EXPECT_EQ(
      *FormatSetCookie(
          "old", "", {.path = "", .expires = absl::FromUnixSeconds(0), .max_age = absl::Hours(1)}),
      "old=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=3600");
}

TEST(CookiesTest, WhatIsWrittenCanBeRead) {
  std::string value;
  for (int c = 0x21; c < 0x100; ++c) {
    if (c != 0x7f) value.push_back(static_cast<char>(c));
  }
  const std::string field = *FormatSetCookie("a", value, {.path = ""});
  EXPECT_EQ(ParseCookie(field).at("a"), value);
}

TEST(CookiesTest, WhatBrowsersWouldDropIsAnError) {
  EXPECT_EQ(*FormatSetCookie("__Host-id", "1",
                             {.same_site = SameSite::kNone, .secure = true, .partitioned = true}),
            "__Host-id=1; Partitioned; Path=/; SameSite=None; Secure");
  EXPECT_FALSE(FormatSetCookie("a", "1", {.same_site = SameSite::kNone}).ok());
  EXPECT_FALSE(FormatSetCookie("a", "1", {.partitioned = true}).ok());
  EXPECT_FALSE(FormatSetCookie("__Secure-a", "1").ok());
  EXPECT_TRUE(FormatSetCookie("__Secure-a", "1", {.path = "/x", .secure = true}).ok());
  EXPECT_FALSE(FormatSetCookie("__host-a", "1").ok());
  EXPECT_FALSE(FormatSetCookie("__Host-a", "1", {.path = "/x", .secure = true}).ok());
  EXPECT_FALSE(FormatSetCookie("__Host-a", "1", {.domain = "a.b", .secure = true}).ok());
}

// GHSA-78cv-mqj4-43f7: attributes injected through path, domain or value.
TEST(CookiesTest, RefusesInjection) {
  for (const char* name : {"", "a b", "a;b", "a=b", "a\r", "path", "Expires", "\xc3\xa9"}) {
    EXPECT_FALSE(FormatSetCookie(name, "x").ok()) << name;
  }
  for (const char* value : {"a b", "a\r\nb", "a\tb", "\x7f"}) {
    EXPECT_FALSE(FormatSetCookie("a", value).ok()) << value;
  }
  EXPECT_FALSE(FormatSetCookie("a", std::string(1, '\0')).ok());
  for (const char* attribute : {"/;HttpOnly", "/ x", "/\r\nX: y", "/\x7f"}) {
    EXPECT_FALSE(FormatSetCookie("a", "b", {.path = attribute}).ok()) << attribute;
    EXPECT_FALSE(FormatSetCookie("a", "b", {.domain = attribute}).ok()) << attribute;
  }
  EXPECT_THAT(std::string(FormatSetCookie("a", "b\nc").status().message()),
              testing::HasSubstr("b\\nc"));
}

}  // namespace
}  // namespace squall
