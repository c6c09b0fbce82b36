// One test for each of Tornado's advisories that is about what the engine reads or writes, named
// after it, and for each fault of that kind that Tornado has still. Those of the web layer stand in
// web/advisories_test.cc. Quadratic work would not end within the test's time.
//
// In other tests: accepting without descriptors, where Tornado spins, is
// PausesWithoutDescriptorsAndRecovers of netutil/accept_faults_test.cc and out_of_descriptors of
// httpserver/tcpserver_test.cc.
//
// Without a test, as squall has nothing that they could be about:
//   4.0, a WebSocket from another Origin   no WebSocket; a handler of one has to check it
//   CVE-2026-49853, 6.5.7: credentials     no HTTP client
#include <clocale>
#include <cstdlib>
#include <locale>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/cookies.h"
#include "squall/httpserver/form.h"
#include "squall/httpserver/http1_response_encoder.h"
#include "squall/httpserver/http1_verdict.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/http_range.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/http_status.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

// glibc keeps the list that setlocale makes of LOCPATH, and GroupingLocale sets that where no locale
// with groups is installed.
extern "C" const char* __lsan_default_suppressions() { return "leak:__argz_add_sep\n"; }

namespace squall {
namespace {

using internal::Chunked;
using internal::Get;
using internal::Post;
using internal::Verdict;

std::string Repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out.append(text);
  return out;
}

std::string Part(std::string_view disposition) {
  return "--b\r\nContent-Disposition: " + std::string(disposition) + "\r\n\r\nx\r\n";
}

// Another request in the value of a field.
TEST(Advisories, Cve2012_2374_HeaderInjection) {
  HttpHeaders headers;
  EXPECT_FALSE(headers.Set("X-Foo", "foo\r\nX-Bar: baz"));
  EXPECT_FALSE(headers.Add("X-Foo\r\nX-Bar", "baz"));
  EXPECT_EQ(headers.size(), 0u);
}

// Numbers as Python reads them, which a proxy in front reads otherwise.
TEST(Advisories, GhsaQppvJ76h2rpx_ContentLengthAndChunkSize) {
  for (const char* length : {"+10", "1_0", "-10", "0x10"}) {
    EXPECT_EQ(Verdict(Post("Content-Length: " + std::string(length) + "\r\n", "0123456789")), "400")
        << length;
  }
  for (const char* size : {"1_a", "+4", "-4", "0x4"}) {
    EXPECT_EQ(Verdict(Chunked(std::string(size) + "\r\nabcd\r\n0\r\n\r\n")), "400") << size;
  }
}

// Both were ignored, and the body was the next request.
TEST(Advisories, Ghsa753jMpmxQq6g_TwoTransferEncodings) {
  EXPECT_EQ(Verdict(Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                         "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")),
            "400");
}

TEST(Advisories, Release6_4_1_WhiteSpaceOfUnicodeIsNone) {
  for (const char* space : {"\xa0", "\x0b", "\x0c", "\x1c", "\x85"}) {
    const std::string coding = std::string(space) + "chunked";
    EXPECT_EQ(Verdict(Post("Transfer-Encoding: " + coding + "\r\n", "0\r\n\r\n")), "400");
    EXPECT_EQ(Verdict(Post("Content-Length: 3" + std::string(space) + "\r\n", "abc")), "400");
  }
}

// Parsed unlike browsers do, a quoted value hid a cookie of another name.
TEST(Advisories, Release4_4_2_ASemicolonEndsACookie) {
  const CookieMap cookies = ParseCookie("ga=\"x; _xsrf=evil\"; _xsrf=good");
  EXPECT_EQ(cookies, (CookieMap{{"ga", "\"x"}, {"_xsrf", "good"}}));
}

TEST(Advisories, Cve2024_52804_CookieBackslashes) {
  const std::string field = "a=\"b=" + Repeat("\\", 1000000) + "\"";
  EXPECT_EQ(ParseCookie(field).size(), 1u);
}

// One line in the log for each malformed part.
TEST(Advisories, Cve2025_47287_TheFirstMalformedPartEndsIt) {
  EXPECT_FALSE(ParseMultipartForm("b", Repeat("--b\r\nx\r\n\r\n", 10000) + "--b--\r\n").ok());
}

TEST(Advisories, Release6_5_0_ControlCharactersAndHosts) {
  for (const char* bad : {"\x01", "\x0b", "\x7f", "\r", "\n"}) {
    EXPECT_EQ(Verdict("GET /" + std::string(bad) + " HTTP/1.1\r\nHost: a\r\n\r\n"), "400");
    EXPECT_EQ(Verdict(Get("A" + std::string(bad) + ": b\r\n")), "400");
    EXPECT_EQ(Verdict(Get("A: " + std::string(bad) + "b\r\n")), "400");
    EXPECT_EQ(Verdict("GET / HTTP/1.1\r\nHost: a" + std::string(bad) + "b\r\n\r\n"), "400");
  }
  EXPECT_EQ(Verdict("GET / HTTP/1.1\r\n\r\n"), "400");
  EXPECT_EQ(Verdict(Get("Host: a\r\n")), "400");
}

TEST(Advisories, Cve2025_67724_ReasonInjection) {
  for (const char* reason : {"OK\r\nX-Injection:injected", "<script>", "a\nb", "a\x7f"}) {
    EXPECT_FALSE(IsValidReasonPhrase(reason)) << reason;
    internal::Http1ResponseEncoder encoder;
    encoder.Start({});
    ResponseHead head;
    head.reason = reason;
    std::string out;
    EXPECT_FALSE(encoder.Begin(head, {.whole_body_size = 0, .date = "now"}, &out).ok());
    EXPECT_EQ(out, "");
  }
}

TEST(Advisories, Cve2025_67725_OneNameVeryOften) {
  HttpHeaders headers;
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(headers.Add("A", "b"));
  EXPECT_EQ(headers.GetAll("a").size(), 100000u);
  EXPECT_EQ(Verdict(Get(Repeat("A: b\r\n", 10000))), "431");
}

TEST(Advisories, Cve2025_67726_SemicolonsInQuotes) {
  const std::string part = Part("form-data; x=\"" + Repeat(";", 9000) + "\"; name=\"a\"");
  EXPECT_TRUE(ParseMultipartForm("b", Repeat(part, 90) + "--b--\r\n").ok());
}

TEST(Advisories, Cve2026_31958_MillionsOfParts) {
  const std::string part = Part("form-data; name=\"a\"");
  EXPECT_TRUE(ParseMultipartForm("b", Repeat(part, 99) + "--b--\r\n").ok());
  EXPECT_FALSE(ParseMultipartForm("b", Repeat(part, 100) + "--b--\r\n").ok());
  EXPECT_FALSE(ParseMultipartForm("b", Repeat(part, 100000) + "--b--\r\n").ok());
}

TEST(Advisories, Ghsa78cvMqj443f7_AttributesOfCookies) {
  for (const char* bad : {"/;HttpOnly", "/\r\nA: b", "/\x01"}) {
    EXPECT_FALSE(FormatSetCookie("a", "b", {.path = bad}).ok()) << bad;
    EXPECT_FALSE(FormatSetCookie("a", "b", {.domain = bad}).ok()) << bad;
  }
}

TEST(Advisories, Release6_5_5_BareCrInPartHeaders) {
  EXPECT_FALSE(ParseMultipartForm("b", Part("form-data; name=\"a\"\rX: y") + "--b--\r\n").ok());
}

// A thousandfold of zeros: 20 MB in 20 kB.
TEST(Advisories, Cve2026_49855_GzipBomb) {
  TestApp app;
  HttpServerThread server(app, {.decompress_request = true});
  // gzip of 20,000,000 zeros: a stored head, then one run of fixed codes for 258 zeros each.
  const std::string head("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  // Block of fixed codes: literal 0, then length 258 at distance 1, in runs of 4 octets.
  std::string bits;
  const auto put = [&bits](uint32_t value, int count, bool msb_first) {
    for (int i = 0; i < count; ++i) {
      bits.push_back((value >> (msb_first ? count - 1 - i : i) & 1) != 0 ? '1' : '0');
    }
  };
  put(1, 1, false);  // the last block
  put(1, 2, false);  // fixed codes
  put(0x30, 8, true);
  for (int i = 0; i < 77520; ++i) {
    put(0xc5, 8, true);  // 285: 258 octets
    put(0, 5, true);     // distance 1
  }
  put(0, 7, true);
  std::string body = head;
  for (size_t i = 0; i < bits.size(); i += 8) {
    int octet = 0;
    for (size_t j = 0; j < 8 && i + j < bits.size(); ++j) octet |= (bits[i + j] - '0') << j;
    body.push_back(static_cast<char>(octet));
  }
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(client.ReadResponse().status, 413);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(app.finished, 0);
}

// Not Tornado's, whose numbers have no end: what wraps around in 64 bits is another length.
TEST(Advisories, LikeThem_LengthsOf64Bits) {
  for (const char* length : {"18446744073709551617", "18446744073709551616", "9223372036854775808",
                             "340282366920938463463374607431768211457"}) {
    EXPECT_EQ(Verdict(Post("Content-Length: " + std::string(length) + "\r\n", "x")), "400")
        << length;
  }
  for (const char* size : {"10000000000000001", "ffffffffffffffff1"}) {
    EXPECT_EQ(Verdict(Chunked(std::string(size) + "\r\nx\r\n0\r\n\r\n")), "400") << size;
  }
  EXPECT_EQ(Verdict(Chunked("1\r\nx\r\nffffffffffffffff\r\nx")), "413");
}

// A locale that groups digits, installed or made here, for all of the process; else what is there.
class GroupingLocale {
 public:
  GroupingLocale() {
    const std::string folder = std::getenv("TEST_TMPDIR");
    const std::string make = "localedef -i de_DE -f UTF-8 " + folder + "/de_DE.UTF-8";
    if (!Set("de_DE.UTF-8") && !Set("en_US.UTF-8") && std::system(make.c_str()) == 0) {
      ::setenv("LOCPATH", folder.c_str(), 1);
      Set("de_DE.UTF-8");
    }
  }
  ~GroupingLocale() { std::locale::global(std::locale::classic()); }
  bool groups() const { return *std::localeconv()->grouping != 0; }

 private:
  static bool Set(const char* name) {
    if (std::setlocale(LC_ALL, name) == nullptr) {
      std::setlocale(LC_ALL, "");
      return false;
    }
    std::locale::global(std::locale(name));
    return true;
  }
};

// Not Tornado's: who asks the locale takes 1.000 or 1,000 for a thousand, and sends them.
TEST(Advisories, LikeThem_NumbersUnderALocaleWithGrouping) {
  const GroupingLocale locale;
  if (!locale.groups()) {
    GTEST_SKIP()
        << "no locale here groups digits, and localedef makes none; Debian has it in `locales`";
  }
  const std::string body(1000, 'x');
  EXPECT_EQ(Verdict(Post("Content-Length: 1000\r\n", body)), "parsed");
  EXPECT_EQ(Verdict(Chunked("3e8\r\n" + body + "\r\n0\r\n\r\n")), "parsed");
  for (const std::string number : {"1.000", "1,000", "1 000"}) {
    EXPECT_EQ(Verdict(Post("Content-Length: " + number + "\r\n", body)), "400") << number;
    EXPECT_EQ(Verdict(Chunked(number + "\r\nx\r\n0\r\n\r\n")), "400") << number;
    EXPECT_FALSE(ParseRequestRange("bytes=" + number + "-").has_value()) << number;
  }
  EXPECT_EQ(FormatContentRange(1000, 2000, 3000), "bytes 1000-1999/3000");
  internal::Http1ResponseEncoder encoder;
  encoder.Start({});
  std::string out;
  ASSERT_TRUE(encoder.Begin({}, {.whole_body_size = 1000, .date = "now"}, &out).ok());
  EXPECT_NE(out.find("Content-Length: 1000\r\n"), std::string::npos) << out;
}

// Not fixed in Tornado: refused.
TEST(Advisories, NotFixed_ChunkExtensionsAndTrailers) {
  EXPECT_EQ(Verdict(Chunked("1;a=\"b\"\r\nx\r\n0;c\r\nHost: b\r\n\r\n")), "parsed");
}

// Not fixed in Tornado: kept.
TEST(Advisories, NotFixed_ConnectionCloseInAList) {
  EXPECT_FALSE(internal::HeadOf(Get("Connection: x, close\r\n")).keep_alive());
}

// Not fixed in Tornado: an hour for whoever sends nothing, or a head by single octets.
TEST(Advisories, NotFixed_SlowClientsAreNotKeptForAnHour) {
  const HttpServerOptions options;
  EXPECT_LE(options.idle_connection_timeout, absl::Seconds(75));
  EXPECT_LE(options.header_timeout, absl::Seconds(15));
  EXPECT_LE(options.body_timeout, absl::Seconds(60));
}

// Not fixed in Tornado: the connection is kept, and nobody knows where the answer ends.
TEST(Advisories, NotFixed_Http10KeepAliveWithoutLength) {
  TestApp app;
  app.Route("/flush", {.finish = [](TestApp::Exchange& e) {
              HttpConnection* const connection = std::exchange(e.connection, nullptr);
              connection->WriteHead({}, "o").IgnoreError();
              connection->Finish().IgnoreError();
            }});
  HttpServerThread server(app);
  RawClient client(server.port());
  client.Send("GET /flush HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "o");
  EXPECT_TRUE(client.AtEnd());
}

// Not fixed in Tornado: the client is told to send what is refused then.
TEST(Advisories, NotFixed_ContinueOnlyBehindTheCheckOfTheSize) {
  TestApp app;
  HttpServerThread server(app, {.max_body_size = 10});
  RawClient client(server.port());
  client.Send(Post("Expect: 100-continue\r\nContent-Length: 11\r\n", ""));
  EXPECT_EQ(client.ReadResponse().status, 413);
}

// Not fixed in Tornado: the work for each chunk grew with their number.
TEST(Advisories, NotFixed_OneOctetChunks) {
  const std::string body = Repeat("1\r\nx\r\n", 1000000) + "0\r\n\r\n";
  TestApp app;
  HttpServerThread server(app);
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
  EXPECT_EQ(client.ReadResponse().body, "Got 1000000 bytes in POST");
}

}  // namespace
}  // namespace squall
