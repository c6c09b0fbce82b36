// What the parser takes and refuses. How much of it: http1_parser_limits_test.cc.
#include "squall/httpserver/http1_parser.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http1_transcript.h"
#include "squall/httpserver/http1_verdict.h"
#include "squall/httpserver/request_head.h"

namespace squall {
namespace {

using internal::Chunked;
using internal::Get;
using internal::HeadOf;
using internal::Post;
using internal::RunAllWays;
using internal::RunParser;
using internal::Transcript;
using internal::Verdict;
using testing::ElementsAre;

struct Row {
  std::string input;
  std::string verdict;
};

void CheckRows(const std::vector<Row>& rows) {
  for (const Row& row : rows) EXPECT_EQ(Verdict(row.input), row.verdict) << row.input;
}

TEST(Http1ParserTest, GivesTheHeadInPieces) {
  const RequestHead head = HeadOf(
      "PUT /a%20b/../c?x=1?y HTTP/1.1\r\nhost: Example.COM:80\r\nX-Empty:\r\nX-Long: \t a  b \t\r\n"
      "Content-Length: 12\r\n\r\n");
  EXPECT_EQ(head.method(), "PUT");
  EXPECT_EQ(head.target(), "/a%20b/../c?x=1?y");
  EXPECT_EQ(head.path(), "/a%20b/../c");
  EXPECT_EQ(head.query(), "x=1?y");
  EXPECT_EQ(head.host(), "Example.COM:80");
  EXPECT_EQ(head.version_minor(), 1);
  EXPECT_EQ(head.framing(), BodyFraming::kContentLength);
  EXPECT_EQ(head.content_length(), 12u);
  ASSERT_EQ(head.headers().size(), 4u);
  EXPECT_EQ(head.headers().at(0).name, "host");
  EXPECT_EQ(head.headers().Get("x-empty"), "");
  EXPECT_EQ(head.headers().Get("X-LONG"), "a  b");
}

TEST(Http1ParserTest, HeadSurvivesCopyMoveAndChange) {
  RequestHead head = HeadOf("GET /path?q HTTP/1.1\r\nHost: a\r\n\r\n");
  RequestHead copy = head;
  const RequestHead moved = std::move(head);
  for (int i = 0; i < 1000; ++i) copy.mutable_headers().Add("X-Filler", "0123456789");
  EXPECT_EQ(copy.path(), "/path");
  EXPECT_EQ(copy.query(), "q");
  EXPECT_EQ(moved.path(), "/path");
  EXPECT_EQ(moved.host(), "a");
}

TEST(Http1ParserTest, LeavesPipelinedRequestsToTheCaller) {
  Http1Parser parser;
  const std::string input = Post("Content-Length: 3\r\n", "abcGET /2");
  std::string_view rest = input;
  Http1Event event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kHead);
  rest.remove_prefix(event.consumed);
  event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kBody);
  EXPECT_EQ(event.body, "abc");
  rest.remove_prefix(event.consumed);
  event = parser.Feed(rest);
  ASSERT_EQ(event.kind, Http1Event::kMessageComplete);
  EXPECT_EQ(event.consumed, 0u);
  EXPECT_EQ(parser.Feed(rest).kind, Http1Event::kMessageComplete) << "until StartNextMessage";
  EXPECT_EQ(parser.head().method(), "POST");
  parser.StartNextMessage();
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.Feed(rest).kind, Http1Event::kNeedMore);
  EXPECT_TRUE(parser.in_head());
}

TEST(Http1ParserTest, PipelinedRequestsOfEveryFraming) {
  const Transcript t =
      RunAllWays(Get("") + Post("Content-Length: 3\r\n", "abc") + Chunked("2\r\nde\r\n0\r\n\r\n") +
                 "\r\n" + Get("Connection: close\r\n"));
  EXPECT_THAT(t.verdicts, ElementsAre("parsed", "parsed", "parsed", "parsed")) << t.text;
  EXPECT_FALSE(t.keep_alive);
}

TEST(Http1ParserTest, RequestLine) {
  const std::string host = "Host: a\r\n\r\n";
  CheckRows({
      {"GET / HTTP/1.1\r\n" + host, "parsed"},
      {"get /foo HTTP/1.1\r\n" + host, "parsed"},
      {"M-SEARCH!#$%&'*+.^_`|~9 / HTTP/1.1\r\n" + host, "parsed"},
      {"GET /\xc3\xa9 HTTP/1.1\r\n" + host, "parsed"},
      {"GET /a\"<>[\\]^`{|} HTTP/1.1\r\n" + host, "parsed"},
      {"GET // HTTP/1.1\r\n" + host, "parsed"},
      {"GET /? HTTP/1.1\r\n" + host, "parsed"},
      {"GET / HTTP/1.0\r\n\r\n", "parsed"},
      {"GET / HTTP/1.2\r\n" + host, "parsed"},
      {"GET / HTTP/1.9\r\n" + host, "parsed"},
      {"GET / HTTP/1.2\r\n\r\n", "400"},
      {"GET / HTTP/2.0\r\n" + host, "505"},
      {"GET / HTTP/0.9\r\n" + host, "505"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"GET / http/1.1\r\n" + host, "400"},
      {"GET / HTTP/1\r\n" + host, "400"},
      {"GET / HTTP/1.\r\n" + host, "400"},
      {"GET / HTTP/1.10\r\n" + host, "400"},
      {"GET / HTTP/11.1\r\n" + host, "400"},
      {"GET / HTTP/1,1\r\n" + host, "400"},
      {"GET / HTTP/1.1 \r\n" + host, "400"},
      {"GET / HTTPS/1.1\r\n" + host, "400"},
      {"GET /\r\n\r\n", "400"},
      {"GET / \r\n\r\n", "400"},
      {"GET\r\n\r\n", "400"},
      {"asdf\r\n\r\n", "400"},
      {"GET  / HTTP/1.1\r\n" + host, "400"},
      {"GET /  HTTP/1.1\r\n" + host, "400"},
      {"GET /a b HTTP/1.1\r\n" + host, "400"},
      {"GET\t/ HTTP/1.1\r\n" + host, "400"},
      {"GET /\tHTTP/1.1\r\n" + host, "400"},
      {" GET / HTTP/1.1\r\n" + host, "400"},
      {"G,T / HTTP/1.1\r\n" + host, "400"},
      {"G\xc3\x89T / HTTP/1.1\r\n" + host, "400"},
      {"GET /\x01 HTTP/1.1\r\n" + host, "400"},
      {"GET /\x7f HTTP/1.1\r\n" + host, "400"},
      {std::string("GET /\0 HTTP/1.1\r\n", 18) + host, "400"},
      {"GET /#a HTTP/1.1\r\n" + host, "400"},
      {"GET / HTTP/1.1\n" + host, "400"},
      {"GET / HTTP/1.1\r" + host, "400"},
      {"GET / HTTP/1.1\r\r\n" + host, "400"},
      {"\x16\x03\x01\x02", "400"},
  });
}

TEST(Http1ParserTest, OneEmptyLineBeforeARequest) {
  CheckRows({
      {"\r\n" + Get(""), "parsed"},
      {"\r\n\r\n" + Get(""), "400"},
      {"\n" + Get(""), "400"},
      {"\r" + Get(""), "400"},
  });
  Http1Parser parser;
  EXPECT_EQ(parser.Feed("\r\n").kind, Http1Event::kNeedMore);
  EXPECT_TRUE(parser.idle()) << "an empty line is no request";
  EXPECT_EQ(parser.Feed("G").kind, Http1Event::kNeedMore);
  EXPECT_FALSE(parser.idle());
}

TEST(Http1ParserTest, TargetForms) {
  const std::string host = " HTTP/1.1\r\nHost: b\r\n\r\n";
  CheckRows({
      {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"OPTIONS *" + host, "parsed"},
      {"OPTIONS *?a" + host, "400"},
      {"GET foo" + host, "400"},
      {"GET ?foo" + host, "400"},
      {"GET http:/foo" + host, "400"},
      {"GET http://" + host, "400"},
      {"GET http:///foo" + host, "400"},
      {"GET http://u@h/" + host, "400"},
      {"GET http://h:99999/" + host, "400"},
      {"GET http://:80/" + host, "400"},
      {"GET ftp://h/" + host, "400"},
      {"GET file:///etc/passwd" + host, "400"},
      {"GET http://h" + host, "parsed"},
      {"GET http://h/ HTTP/1.1\r\n\r\n", "400"},
      {"GET http://h/ HTTP/1.0\r\n\r\n", "parsed"},
      {"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"CONNECT h:443" + host, "501"},
      {"CONNECT [::1]:443" + host, "501"},
      {"CONNECT h" + host, "400"},
      {"CONNECT h:" + host, "400"},
      {"CONNECT /" + host, "400"},
      {"CONNECT http://h/" + host, "400"},
  });
  const RequestHead absolute = HeadOf("GET HTTP://X.org:81/p?q=http://y/" + host);
  EXPECT_EQ(absolute.path(), "/p");
  EXPECT_EQ(absolute.query(), "q=http://y/");
  EXPECT_EQ(absolute.host(), "X.org:81");
  EXPECT_EQ(absolute.headers().Get("Host"), "X.org:81") << "RFC 9112 3.2.2";
  EXPECT_EQ(absolute.target(), "HTTP://X.org:81/p?q=http://y/");
  const RequestHead bare = HeadOf("GET http://x?q" + host);
  EXPECT_EQ(bare.path(), "/");
  EXPECT_EQ(bare.query(), "q");
  EXPECT_EQ(HeadOf("OPTIONS http://x" + host).path(), "*");
  EXPECT_EQ(HeadOf("OPTIONS http://x/" + host).path(), "/");
  EXPECT_EQ(HeadOf("OPTIONS *" + host).path(), "*");
  EXPECT_EQ(HeadOf("OPTIONS *" + host).host(), "b");
}

TEST(Http1ParserTest, Host) {
  const auto with = [](std::string_view value) {
    return "GET / HTTP/1.1\r\nHost:" + std::string(value) + "\r\n\r\n";
  };
  for (const char* fine :
       {"a", " a ", "", "WWW.Example.COM:80", "a:", "a:0", "1.2.3.4:65535", "[::1]", "[::1]:80",
        "[::ffff:1.2.3.4]", "[v1.fe:x]", "a_b", "%41", "a-b.c."}) {
    EXPECT_EQ(Verdict(with(fine)), "parsed") << fine;
  }
  for (const char* bad : {"foo bar",
                          "a,b",
                          "u@h",
                          ":80",
                          "a:b",
                          "a:80:80",
                          "a:65536",
                          "a:-1",
                          "a:+1",
                          "a/",
                          "a?b",
                          "a#b",
                          "[::1",
                          "::1",
                          "[]",
                          "[::1]x",
                          "[fe80::1%25eth0]",
                          "[v.a]",
                          "%4",
                          "%zz",
                          "a\\b",
                          "\xc3\xa9",
                          "<a>",
                          "a\"",
                          "[1.2.3.4]",
                          "a:999999999999999999999"}) {
    EXPECT_EQ(Verdict(with(bad)), "400") << bad;
  }
  CheckRows({
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", "400"},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/1.0\r\nHost: foo bar\r\n\r\n", "400"},
      {"GET / HTTP/1.0\r\nX-Host: foo bar\r\n\r\n", "parsed"},
  });
}

// A parser knows the last Host again.
TEST(Http1ParserTest, EachHostIsJudgedByItself) {
  Http1Parser parser;
  const std::string longer(100, 'b');
  for (const std::string& host : {std::string("a"), std::string("a"), longer, longer,
                                  std::string("a"), std::string(), std::string("aa")}) {
    const std::string request = "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    ASSERT_EQ(parser.Feed(request).kind, Http1Event::kHead) << host;
    EXPECT_EQ(parser.head().host(), host);
    ASSERT_EQ(parser.Feed("").kind, Http1Event::kMessageComplete);
    parser.StartNextMessage();
  }
  EXPECT_EQ(parser.Feed("GET / HTTP/1.1\r\nHost: a a\r\n\r\n").kind, Http1Event::kError);
  EXPECT_EQ(parser.error_status(), 400);
}

TEST(Http1ParserTest, Fields) {
  CheckRows({
      {Get("A:b\r\n"), "parsed"},
      {Get("A:\r\n"), "parsed"},
      {Get("A: \t \r\n"), "parsed"},
      {Get("A: a\x80\x85\xff"
           "b\tc\r\n"),
       "parsed"},
      {Get("A: 0123456789abcdef0123456789abcdef\r\n"), "parsed"},
      {Get("A: 0123456789abcdef\x7f\r\n"), "400"},
      {Get("A: 0123456789abcde\x0b"
           "f0123456789abcdef\r\n"),
       "400"},
      {Get("A : b\r\n"), "400"},
      {Get("A\t: b\r\n"), "400"},
      {Get(" A: b\r\n"), "400"},
      {Get("A: b\r\n c\r\n"), "400"},
      {Get("A: b\r\n\tc\r\n"), "400"},
      {Get(": b\r\n"), "400"},
      {Get("A b: c\r\n"), "400"},
      {Get("A\r\n"), "400"},
      {Get("A(b): c\r\n"), "400"},
      {Get("\xc3\xa9: c\r\n"), "400"},
      {Get(std::string_view("A\0: c\r\n", 7)), "400"},
      {Get(std::string_view("A: \0c\r\n", 7)), "400"},
      {Get("A: \x0b\r\n"), "400"},
      {Get("A: \x0c\r\n"), "400"},
      {Get("A: \x7f\r\n"), "400"},
      {Get("A: b\rC: d\r\n"), "400"},
      {Get("A: b\nC: d\r\n"), "400"},
      {Get("A: b\r\r\n"), "400"},
      {Get("A: b\r\n\n"), "400"},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\n\rX", "400"},
  });
}

TEST(Http1ParserTest, TransferEncoding) {
  const std::string end = "0\r\n\r\n";
  CheckRows({
      {Post("Transfer-Encoding: chunked\r\n", end), "parsed"},
      {Post("transfer-encoding:\tCHUNKED \r\n", end), "parsed"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + end, "parsed"},
      {Post("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: chunked, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip, chunked\r\n", end), "501"},
      {Post("Transfer-Encoding: gzip;q=1, chunked\r\n", end), "501"},
      {Post("Transfer-Encoding: a ; b = c;d=e , chunked\r\n", end), "501"},
      {Post("Transfer-Encoding: gzip;q, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip;, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: ;a=b, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip;a=b c, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip;a=\"b\", chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip, chunked;a=b\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip, chunked;\r\n", end), "400"},
      {Post("Transfer-Encoding: chunked;a=b, chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: chunked, gzip\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip\r\n", end), "400"},
      {Post("Transfer-Encoding: identity\r\n", end), "400"},
      {Post("Transfer-Encoding: xchunked\r\n", end), "400"},
      {Post("Transfer-Encoding: chunked;a=b\r\n", end), "400"},
      {Post("Transfer-Encoding: \"chunked\"\r\n", end), "400"},
      {Post("Transfer-Encoding:\r\n", end), "400"},
      {Post("Transfer-Encoding: ,chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: \xa0"
            "chunked\r\n",
            end),
       "400"},
      {Post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            end),
       "400"},
      {Post("Transfer-Encoding : chunked\r\n", end), "400"},
      {Post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", end), "400"},
      {Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", end), "400"},
      {Post("Transfer-Encoding: gzip, chunked\r\nContent-Length: x\r\n", end), "400"},
      {"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + end, "400"},
  });
}

TEST(Http1ParserTest, ContentLength) {
  const auto with = [](std::string_view value) {
    return Post("Content-Length:" + std::string(value) + "\r\n", "abc");
  };
  for (const char* fine : {"3", " 3 ", "0003", "3, 3", "3 ,\t03",
                           "00000000000000000000000000000000000003", "3\r\nContent-Length: 3"}) {
    const Transcript t = RunAllWays(with(fine));
    EXPECT_THAT(t.verdicts, ElementsAre("parsed")) << fine;
    EXPECT_EQ(t.body, "abc") << fine;
  }
  for (const char* bad :
       {"", "foo", "+3", "-3", "1_0", "0x3", "3.0", "1 0", "3,4", "3,", ",3", "3;3", "3\xa0",
        "\"3\"", "18446744073709551619", "9223372036854775808", "99999999999999999999999999",
        "3\r\nContent-Length: 4", "3\r\nContent-Length:"}) {
    EXPECT_EQ(Verdict(with(bad)), "400") << bad;
  }
  EXPECT_EQ(Verdict(with("9223372036854775807")), "413");
  EXPECT_EQ(Verdict(Post("Content-Length: 0\r\n", "")), "parsed");
  EXPECT_EQ(Verdict(Post("Content-Length: 4\r\n", "abc")), "head");
  EXPECT_EQ(HeadOf(Post("Content-Length: 0\r\n", "")).framing(), BodyFraming::kNone);
}

TEST(Http1ParserTest, ChunkedBodies) {
  struct Good {
    std::string input;
    std::string body;
  };
  for (const Good& row : std::vector<Good>{
           {"0\r\n\r\n", ""},
           {"000\r\n\r\n", ""},
           {"1\r\na\r\n0\r\n\r\n", "a"},
           {"000A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
           {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
           {"1;a\r\nx\r\n0;b=c;d=\"e;\\\"\xff\t\";f\r\n\r\n", "x"},
           {"1 ; a = b ;c=\"\" ; d\r\nx\r\n0\r\n\r\n", "x"},
           {"1\r\nx\r\n0\r\nTrailer: yes\r\nX:\r\n\r\n", "x"},
           {"0000000000000001\r\nx\r\n0\r\n\r\n", "x"},
       }) {
    const Transcript t = RunAllWays(Chunked(row.input));
    EXPECT_THAT(t.verdicts, ElementsAre("parsed")) << row.input << t.reason;
    EXPECT_EQ(t.body, row.body) << row.input;
  }
  for (const char* bad : {"\r\nx",
                          "+1\r\nx",
                          " 1\r\nx",
                          "1 \r\nx",
                          "1\t\r\n",
                          "-1\r\n",
                          "0x1\r\nx",
                          "g\r\n",
                          "1g\r\n",
                          "1_\r\n",
                          "1\nx",
                          "1\rx",
                          "1\r\r\nx",
                          "1\r\nxy\r\n",
                          "1\r\nx\n",
                          "1\r\nx\rx",
                          "1\r\nx0\r\n\r\n",
                          ";a\r\nx",
                          "1;\r\nx",
                          "1; \r\nx",
                          "1;=a\r\nx",
                          "1;a=\r\nx",
                          "1;a=\"b\r\n",
                          "1;a=\"b\"c\r\n",
                          "1;a b\r\n",
                          "1;a \r\n",
                          "1;a=b \r\n",
                          "1;a\n",
                          "1;a=\"\x01\"\r\n",
                          "1;a=\"\r\n\"\r\n",
                          "1;a=\"\\\x01\"\r\n",
                          "1,a\r\n",
                          "10000000000000000\r\nx",
                          "ffffffffffffffff1\r\nx",
                          "0\r\n\nX",
                          "0\r\n\rX",
                          "0\r\nA\r\n\r\n",
                          "0\r\n A: b\r\n\r\n",
                          "0\r\nA : b\r\n\r\n",
                          "0\r\nA: b\n\r\n",
                          "0\r\nA: b\x01\r\n",
                          "0\r\nA: b\r\n c\r\n",
                          "0\r\n: b\r\n"}) {
    EXPECT_EQ(Verdict(Chunked(bad)), "400") << bad;
  }
  EXPECT_EQ(Verdict(Chunked("ffffffffffffffff\r\nx")), "413");
  EXPECT_EQ(Verdict(Chunked("1\r\nx\r\nffffffffffffffff\r\nx")), "413");
  EXPECT_EQ(Verdict(Chunked("1\r\nx\r\n0\r\nA: b\r\n")), "head");
}

TEST(Http1ParserTest, ConnectionOptions) {
  struct Option {
    std::string_view version, fields;
    bool keep_alive;
  };
  for (const Option& row : {
           Option{"1.1", "", true},
           {"1.1", "Connection: close\r\n", false},
           {"1.1", "Connection: CLOSE\r\n", false},
           {"1.1", "Connection: x, close\r\n", false},
           {"1.1", "Connection: keep-alive, close\r\n", false},
           {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
           {"1.1", "Connection: closed\r\n", true},
           {"1.1", "Connection: x close\r\n", true},
           {"1.1", "Connection:\r\n", true},
           {"1.0", "", false},
           {"1.0", "Connection: Keep-Alive\r\n", true},
           {"1.0", "Connection: foo ,\tkeep-alive\r\n", true},
           {"1.0", "Connection: keep-alive, close\r\n", false},
           {"1.2", "", false},
           {"1.2", "Connection: keep-alive\r\n", false},
       }) {
    const RequestHead head = HeadOf("GET / HTTP/" + std::string(row.version) + "\r\nHost: a\r\n" +
                                    std::string(row.fields) + "\r\n");
    EXPECT_EQ(head.keep_alive(), row.keep_alive) << row.version << " " << row.fields;
  }
  EXPECT_TRUE(HeadOf(Get("Connection: Upgrade\r\nUpgrade: websocket\r\n")).upgrade());
  EXPECT_FALSE(HeadOf(Get("Upgrade: websocket\r\n")).upgrade());
  EXPECT_FALSE(HeadOf(Get("Connection: upgrade\r\n")).upgrade());
}

TEST(Http1ParserTest, Expectations) {
  const std::string length = "Content-Length: 3\r\n";
  EXPECT_TRUE(HeadOf(Post(length + "Expect: 100-continue\r\n", "")).expect_continue());
  EXPECT_TRUE(HeadOf(Post(length + "Expect: 100-Continue\r\n", "")).expect_continue());
  EXPECT_FALSE(HeadOf(Post(length + "Expect:\r\n", "")).expect_continue());
  EXPECT_FALSE(HeadOf(Get("Expect: 100-continue\r\n")).expect_continue()) << "there is no body";
  EXPECT_FALSE(HeadOf("POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
                   .expect_continue())
      << "HTTP/1.0";
  EXPECT_EQ(Verdict(Post(length + "Expect: 200-ok\r\n", "abc")), "417");
  EXPECT_EQ(Verdict(Post(length + "Expect: 100-continue, x\r\n", "abc")), "417");
  EXPECT_EQ(Verdict("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), "parsed");
}

TEST(Http1ParserTest, TinyChunksKeepTheirOrder) {
  std::string body;
  std::string input;
  for (int i = 0; i < 5000; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    body.push_back(c);
    input.append("1\r\n").append(1, c).append("\r\n");
  }
  const Transcript t = RunParser({}, {Chunked(input + "0\r\n\r\n")});
  EXPECT_THAT(t.verdicts, ElementsAre("parsed"));
  EXPECT_EQ(t.body, body);
}

TEST(Http1ParserTest, ReportsTheRequestLineOfARefusedRequest) {
  Http1Parser parser;
  EXPECT_EQ(parser.Feed("GET /x HTTP/1.1\r\nHost : a\r\n").kind, Http1Event::kError);
  ASSERT_TRUE(parser.has_request_line());
  EXPECT_EQ(parser.head().method(), "GET");
  EXPECT_EQ(parser.head().target(), "/x");
  Http1Parser other;
  EXPECT_EQ(other.Feed("GET /x\r\n").kind, Http1Event::kError);
  EXPECT_FALSE(other.has_request_line());
}

}  // namespace
}  // namespace squall
