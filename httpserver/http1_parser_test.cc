#include "squall/httpserver/http1_parser.h"

#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http1_transcript.h"

namespace squall {
namespace {

using internal::Octets;
using internal::RunParser;
using internal::Transcript;
using testing::ElementsAre;

// Runs `input` whole, by single octets and cut in two at each place; all have to agree.
Transcript RunAllWays(std::string_view input, const Http1Limits& limits = {}) {
  const Transcript whole = RunParser(limits, {input});
  EXPECT_EQ(RunParser(limits, Octets(input)), whole) << input;
  // Every place of a long input would take too long; odd steps meet every kind of place.
  const size_t step = input.size() < 2000 ? 1 : input.size() / 1000 | 1;
  for (size_t i = 0; i <= input.size(); i += step) {
    const Transcript cut = RunParser(limits, {input.substr(0, i), input.substr(i)});
    EXPECT_EQ(cut, whole) << "cut at " << i << " of " << input;
    if (cut != whole) break;
  }
  return whole;
}

// The verdict on one request: "parsed", "head", "more" or the status.
std::string Verdict(std::string_view input, const Http1Limits& limits = {}) {
  const Transcript t = RunAllWays(input, limits);
  return t.verdicts.size() == 1 ? t.verdicts[0] : std::to_string(t.verdicts.size()) + " messages";
}

std::string Get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

std::string Post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

std::string Chunked(std::string_view body) { return Post("Transfer-Encoding: chunked\r\n", body); }

RequestHead HeadOf(std::string_view input) {
  Http1Parser parser;
  const Http1Event event = parser.Feed(input);
  EXPECT_EQ(event.kind, Http1Event::kHead) << parser.error_reason() << " for " << input;
  return parser.head();
}

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
                          "00000000000000001\r\nx",
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

TEST(Http1ParserTest, BodyLimitIsJudgedBeforeTheBody) {
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

TEST(Http1ParserTest, BodyLimitOfOneMessage) {
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

TEST(Http1ParserTest, LimitsOfTheHead) {
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

TEST(Http1ParserTest, DefaultLimits) {
  const std::string host = " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 8000) + host), "parsed");
  EXPECT_EQ(Verdict("GET /" + Repeat("x", 8192) + host), "414");
  EXPECT_EQ(Verdict(Get(Repeat("A: b\r\n", 99))), "parsed");
  EXPECT_EQ(Verdict(Get(Repeat("A: b\r\n", 100))), "431");
  EXPECT_EQ(Verdict(Get("A: " + Repeat("x", 60000) + "\r\n")), "parsed");
  EXPECT_EQ(Verdict(Get("A: " + Repeat("x", 66000) + "\r\n")), "431");
}

TEST(Http1ParserTest, LimitsOfChunks) {
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
  // The allowance for extensions is per message.
  const std::string message = Chunked(Repeat("1;aaaa\r\nx\r\n", 4) + end);
  EXPECT_THAT(RunAllWays(message + message, limits).verdicts, ElementsAre("parsed", "parsed"));
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

TEST(Http1ParserTest, GivesMemoryBackBetweenMessages) {
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

}  // namespace
}  // namespace squall
