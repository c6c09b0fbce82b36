// The small functions on text: UTF-8, arguments, the access log's line.
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/web/access_log.h"
#include "squall/web/argument.h"
#include "squall/web/html_escape.h"
#include "squall/web/utf8.h"

namespace squall {
namespace {

using internal::CleanArgument;
using internal::IsValidUtf8;
using internal::Latin1ToUtf8;

TEST(Utf8Test, Rfc3629) {
  for (const char* good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2g", "\xE0\x9F\xBF", "\xE2\x82",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
    EXPECT_FALSE(IsValidUtf8(std::string("text ") + bad)) << bad;
  }
}

TEST(Utf8Test, Characters) {
  std::string_view text = "a\xC2\x85\xE2\x80\xAE\xED\x9F\xBF\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF";
  for (const uint32_t character : {0x61u, 0x85u, 0x202Eu, 0xD7FFu, 0x1F600u, 0x10FFFFu}) {
    EXPECT_EQ(internal::TakeUtf8Character(text), character);
  }
  EXPECT_EQ(text, "");
}

TEST(Utf8Test, Latin1) { EXPECT_EQ(Latin1ToUtf8("a\x85\xFF"), "a\xC2\x85\xC3\xBF"); }

// XHTMLEscapeTest of Tornado (escape_test.py), without what is about Python's types.
TEST(HtmlEscapeTest, TheFiveCharacters) {
  EXPECT_EQ(HtmlEscape("<foo>"), "&lt;foo&gt;");
  EXPECT_EQ(HtmlEscape("<>&\"'"), "&lt;&gt;&amp;&quot;&#39;");
  EXPECT_EQ(HtmlEscape("&amp;"), "&amp;amp;");
  EXPECT_EQ(HtmlEscape("<\xC3\xA9>"), "&lt;\xC3\xA9&gt;");
  EXPECT_EQ(HtmlEscape(""), "");
}

TEST(ArgumentTest, Clean) {
  EXPECT_EQ(CleanArgument("  a b\t\n", true), "a b");
  EXPECT_EQ(CleanArgument(std::string("a\0b", 3), true), "a b");
  EXPECT_EQ(CleanArgument("a\tb\nc", true), "a\tb\nc");  // white space inside stays
  EXPECT_EQ(CleanArgument("\x01 a \x1F", true), "a");
  EXPECT_EQ(CleanArgument("\x01 a \x1F", false), "  a  ");
  EXPECT_EQ(CleanArgument("a\x7F", true), "a\x7F");
}

TEST(AccessLogTest, LineAndLevels) {
  const AccessLogEntry entry = {.status = 200,
                                .method = "GET",
                                .uri = "/path?q=1",
                                .remote_ip = "127.0.0.1",
                                .request_time = absl::Microseconds(1234)};
  EXPECT_EQ(FormatAccessLogLine(entry), "200 GET /path?q=1 (127.0.0.1) 1.23ms");
  LogCapture log;
  for (const int status : {200, 304, 404, 500}) {
    AccessLogEntry other = entry;
    other.status = status;
    WriteAccessLog(other);
  }
  EXPECT_THAT(log.messages(),
              testing::ElementsAre(testing::StartsWith("I 200 "), testing::StartsWith("I 304 "),
                                   testing::StartsWith("W 404 "), testing::StartsWith("E 500 ")));
}

TEST(AccessLogTest, NothingForgesALine) {
  const AccessLogEntry entry = {.status = 200,
                                .method = "GET",
                                .uri = "/\n200 GET /forged\x1b[2J\x7f\x80",
                                .remote_ip = "::1",
                                .request_time = absl::ZeroDuration()};
  EXPECT_EQ(FormatAccessLogLine(entry),
            "200 GET /\\x0a200 GET /forged\\x1b[2J\\x7f\\x80 (::1) 0.00ms");
}

}  // namespace
}  // namespace squall
