#include "squall/httpserver/http1_parser.h"

#include "gtest/gtest.h"

namespace squall {
namespace {

TEST(Http1ParserTest, ReadsARequestAndLeavesTheNext) {
  Http1Parser parser;
  const std::string_view first = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  const std::string input = std::string(first) + "GET / HTTP/1.1\r\n";
  std::string_view rest = input;
  Http1Event event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kHead) << parser.error_reason();
  EXPECT_EQ(parser.head().method(), "POST");
  EXPECT_EQ(parser.head().path(), "/a");
  EXPECT_EQ(parser.head().query(), "b=c");
  EXPECT_EQ(parser.head().host(), "x");
  EXPECT_TRUE(parser.head().keep_alive());
  rest.remove_prefix(event.consumed);
  event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kBody);
  EXPECT_EQ(event.body, "abc");
  rest.remove_prefix(event.consumed);
  event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kMessageComplete);
  EXPECT_EQ(event.consumed, 0u);
  EXPECT_EQ(rest, "GET / HTTP/1.1\r\n");
}

}  // namespace
}  // namespace squall
