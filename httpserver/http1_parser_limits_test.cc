// How much the parser takes, and what it keeps.
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http1_verdict.h"

namespace squall {
namespace {

using internal::Chunked;
using internal::Get;
using internal::Post;
using internal::RunAllWays;
using internal::Verdict;
using testing::ElementsAre;

TEST(Http1ParserLimitsTest, BodyLimitIsJudgedBeforeTheBody) {
  Http1Limits limits;
  limits.max_body_size = 10;
  EXPECT_EQ(Verdict(Post("Content-Length: 10\r\n", "0123456789"), limits), "parsed");
  EXPECT_EQ(Verdict(Post("Content-Length: 11\r\n", ""), limits), "413");
  EXPECT_EQ(Verdict(Post("Content-Length: 11\r\n", "x"), limits), "413");
  EXPECT_EQ(Verdict(Chunked("6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n"), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked("6\r\n012345\r\n5\r\n"), limits), "413");
  EXPECT_EQ(Verdict(Chunked("6\r\n012345\r\n5"), limits), "head") << "the size goes on";

  Http1Parser parser(limits);
  const std::string input = Post("Content-Length: 11\r\nExpect: 100-continue\r\n", "");
  ASSERT_EQ(parser.Feed(input).kind, Http1Event::kHead);
  EXPECT_EQ(parser.Feed("").kind, Http1Event::kError) << "asked before 100 Continue is sent";
  EXPECT_EQ(parser.error_status(), 413);
}

TEST(Http1ParserLimitsTest, BodyLimitOfOneMessage) {
  Http1Limits limits;
  limits.max_body_size = 2;
  Http1Parser parser(limits);
  const std::string input = Post("Content-Length: 3\r\n", "");
  ASSERT_EQ(parser.Feed(input).kind, Http1Event::kHead);
  parser.SetMaxBodySize(3);
  EXPECT_EQ(parser.Feed("").kind, Http1Event::kNeedMore);
  EXPECT_EQ(parser.Feed("abc").kind, Http1Event::kBody);
  EXPECT_EQ(parser.Feed("").kind, Http1Event::kMessageComplete);
  parser.StartNextMessage();
  ASSERT_EQ(parser.Feed(input).kind, Http1Event::kHead);
  EXPECT_EQ(parser.Feed("").kind, Http1Event::kError) << "the limit is back";
}

std::string Repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out.append(text);
  return out;
}

TEST(Http1ParserLimitsTest, LimitsOfTheHead) {
  Http1Limits limits;
  limits.max_request_line = 30;
  limits.max_header_size = 100;
  limits.max_header_fields = 3;
  limits.max_method_size = 8;
  // "GET " + target + " HTTP/1.1" has 13 octets without the target.
  const std::string host = " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 16) + host, limits), "parsed");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 17) + host, limits), "414");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 17) + " HTTP/1.0\r\n\r\n", limits), "414");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 60), limits), "414");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 25) + "\x01", limits), "400");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 26) + "\x01", limits), "414");
  EXPECT_EQ(Verdict("OVERLONG /" + host, limits), "parsed");
  EXPECT_EQ(Verdict("OVERLONGS /" + host, limits), "501");
  EXPECT_EQ(Verdict(Repeat("A", 200), limits), "501");
  // Get("") has 27 octets, "X: \r\n" 5 more.
  EXPECT_EQ(Verdict(Get("X: " + Repeat("x", 68) + "\r\n"), limits), "parsed");
  EXPECT_EQ(Verdict(Get("X: " + Repeat("x", 69) + "\r\n"), limits), "431");
  EXPECT_EQ(Verdict(Get("X: " + Repeat("x", 500)), limits), "431");
  EXPECT_EQ(Verdict(Get("X:" + Repeat(" ", 500)), limits), "431");
  EXPECT_EQ(Verdict(Get(Repeat("x", 500)), limits), "431");
  EXPECT_EQ(Verdict(Get("A:\r\nB:\r\n"), limits), "parsed");
  EXPECT_EQ(Verdict(Get("A:\r\nB:\r\nC:\r\n"), limits), "431");
  limits.max_request_line = 1000;
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 200), limits), "431");
}

TEST(Http1ParserLimitsTest, DefaultLimits) {
  const std::string host = " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 8000) + host), "parsed");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 8192) + host), "414");
  EXPECT_EQ(Verdict(Get(Repeat("A: b\r\n", 99))), "parsed");
  EXPECT_EQ(Verdict(Get(Repeat("A: b\r\n", 100))), "431");
  EXPECT_EQ(Verdict(Get("A: " + Repeat("x", 60000) + "\r\n")), "parsed");
  EXPECT_EQ(Verdict(Get("A: " + Repeat("x", 66000) + "\r\n")), "431");
}

TEST(Http1ParserLimitsTest, LimitsOfChunks) {
  Http1Limits limits;
  limits.max_chunk_line = 10;
  limits.max_chunk_extensions = 20;
  limits.max_trailer_size = 30;
  limits.max_header_fields = 4;
  const std::string end = "0\r\n\r\n";
  EXPECT_EQ(Verdict(Chunked("1;" + Repeat("a", 8) + "\r\nx\r\n" + end), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked("1;" + Repeat("a", 9) + "\r\nx\r\n" + end), limits), "400");
  EXPECT_EQ(Verdict(Chunked(Repeat("1;aaaa\r\nx\r\n", 4) + end), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked(Repeat("1;aaaa\r\nx\r\n", 5) + end), limits), "400");
  // With its empty line the section has 7 octets around the name.
  EXPECT_EQ(Verdict(Chunked("0\r\n" + Repeat("a", 25) + ":\r\n\r\n"), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked("0\r\n" + Repeat("a", 26) + ":\r\n\r\n"), limits), "431");
  EXPECT_EQ(Verdict(Chunked("0\r\nA:\r\nB:\r\n\r\n"), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked("0\r\nA:\r\nB:\r\nC:\r\n\r\n"), limits), "431");
}

// CVE-2023-39326: extensions, or zeros before a size, that are a multiple of the body.
TEST(Http1ParserLimitsTest, OverheadOfChunks) {
  const Http1Limits limits = {.max_chunk_line = 100, .max_chunk_overhead = 100};
  const std::string end = "0\r\n\r\n";
  // 36 and 35 octets beyond what is fair.
  for (const std::string& line : {"1;" + Repeat("a", 50), Repeat("0", 50) + "1"}) {
    const std::string chunk = line + "\r\nx\r\n";
    EXPECT_EQ(Verdict(Chunked(Repeat(chunk, 2) + end), limits), "parsed");
    EXPECT_EQ(Verdict(Chunked(Repeat(chunk, 3) + end), limits), "400");
    // The allowance is per message.
    const std::string message = Chunked(Repeat(chunk, 2) + end);
    EXPECT_THAT(RunAllWays(message + message, limits).verdicts, ElementsAre("parsed", "parsed"));
  }
  // Data pays for what is said about it, and one octet a chunk is no offence.
  const std::string large = "40;" + Repeat("a", 90) + "\r\n" + Repeat("x", 64) + "\r\n";
  EXPECT_EQ(Verdict(Chunked(Repeat(large, 100) + end), limits), "parsed");
  EXPECT_EQ(Verdict(Chunked(Repeat("1\r\nx\r\n", 1000) + end), limits), "parsed");
  // By default.
  const std::string longest = Repeat("0", 254) + "1\r\nx\r\n";
  EXPECT_EQ(Verdict(Chunked(Repeat(longest, 60) + end)), "parsed");
  EXPECT_EQ(Verdict(Chunked(Repeat(longest, 70) + end)), "400");
}

TEST(Http1ParserLimitsTest, GivesMemoryBackBetweenMessages) {
  Http1Parser parser;
  ASSERT_EQ(parser.Feed(Get("")).kind, Http1Event::kHead);
  parser.ReleaseMemory();
  EXPECT_EQ(parser.head().method(), "GET") << "not inside a message";
  ASSERT_EQ(parser.Feed("").kind, Http1Event::kMessageComplete);
  parser.StartNextMessage();
  parser.ReleaseMemory();
  ASSERT_EQ(parser.Feed(Get("A: b\r\n")).kind, Http1Event::kHead);
  EXPECT_EQ(parser.head().headers().Get("a"), "b");
}

// Where a body is cut, as many octets are missing at least as there would have been.
TEST(Http1ParserLimitsTest, LeastToCome) {
  for (const std::string_view body :
       {"Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
    const std::string message = head + std::string(body);
    for (size_t end = message.find("\r\n\r\n") + 4; end < message.size(); ++end) {
      Http1Parser parser(Http1Limits{});
      std::string_view input = std::string_view(message).substr(0, end);
      for (Http1Event event = parser.Feed(input); event.kind != Http1Event::kNeedMore;
           event = parser.Feed(input)) {
        ASSERT_NE(event.kind, Http1Event::kError);
        input.remove_prefix(event.consumed);
      }
      const uint64_t least = parser.least_to_come();
      EXPECT_GE(least, 1u) << end;
      EXPECT_LE(least, message.size() - end) << end;
    }
  }
}

}  // namespace
}  // namespace squall
