// Tornado's advisories about the web layer, each as a test of its name; those about the protocol are
// in httpserver/advisories_test.cc, which also names those that squall has nothing for (WebSocket,
// client).
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"
#include "squall/web/signed_value.h"
#include "squall/web/static_file_handler.h"

namespace squall {
namespace {

struct Token : RequestHandler {
  void Get() { Write(XsrfToken()); }
  void Post() { Write("ok"); }
};

int PostWith(const std::string& fields) {
  LogCapture log;
  Application app({{"/", Handler<Token>()}}, {.xsrf_cookies = true, .log_function = nullptr});
  std::string request = BodyRequest("POST", "/", "", "");
  request.insert(request.find("\r\n") + 2, fields);
  return FakeExchange(app, request).status();
}

TEST(WebAdvisories, Release1_1_1_XRequestedWithIsNoToken) {
  EXPECT_EQ(PostWith("X-Requested-With: XMLHttpRequest\r\n"), 403);
}

// Without lengths the signature of one name, or of another time, fitted the octets moved.
TEST(WebAdvisories, Release3_2_1_NothingMovesBetweenSignedFields) {
  const std::string secret = "It's a secret to everybody";
  const absl::Time now = absl::FromUnixSeconds(1300000000);
  const std::string value = CreateSignedValue(secret, "1a", "b1234", now);
  EXPECT_EQ(DecodeSignedValue(secret, "1a", value, {}, now), "b1234");
  EXPECT_FALSE(DecodeSignedValue(secret, "1ab", value, {}, now).has_value());
  struct Move {
    std::string_view from;
    std::string_view to;
    std::string_view name;
  };
  // Each is well-formed behind the move, in its base64 and its time, too.
  for (const Move& move : {Move{"|2:1a|8:YjEyMzQ=|", "|6:1aYjEy|4:MzQ=|", "1aYjEy"},
                           Move{"|10:1300000000|2:1a|", "|11:13000000001|1:a|", "a"}}) {
    std::string moved = value;
    const size_t at = moved.find(move.from);
    ASSERT_NE(at, std::string::npos) << moved;
    moved.replace(at, move.from.size(), move.to);
    EXPECT_FALSE(DecodeSignedValue(secret, move.name, moved, {}, now).has_value()) << moved;
  }
}

TEST(WebAdvisories, Cve2014_9720_EachPageHasAnotherMask) {
  Application app({{"/", Handler<Token>()}}, {.log_function = nullptr});
  const std::string cookie = "Cookie: _xsrf=00112233445566778899aabbccddeeff\r\n";
  EXPECT_NE(FakeExchange(app, GetRequest("/", cookie)).body(),
            FakeExchange(app, GetRequest("/", cookie)).body());
}

TEST(WebAdvisories, Cve2026_49854_ShortMask) {
  const std::string token = "2|00|616263|1";
  EXPECT_EQ(PostWith(absl::StrCat("Cookie: _xsrf=", token, "\r\nX-XSRFToken: ", token, "\r\n")),
            403);
}

TEST(WebAdvisories, Release4_2_1_AndCve2023_28370_StaticFiles) {
  LogCapture log;
  const std::filesystem::path base = std::filesystem::path(getenv("TEST_TMPDIR")) / "advisories";
  std::filesystem::create_directories(base / "static" / "dir");
  std::filesystem::create_directories(base / "static2");
  std::ofstream(base / "static2" / "leak.txt") << "secret";
  std::ofstream(base / "static" / "dir" / "index.html") << "index";
  Application app({{"/(.*)", Handler<StaticFileHandler>(StaticFileOptions{
                                 .root = base / "static", .default_filename = "index.html"})}},
                  {.log_function = nullptr});
  EXPECT_EQ(FakeExchange(app, GetRequest("/../static2/leak.txt")).status(), 403);
  EXPECT_EQ(FakeExchange(app, GetRequest("/%2e%2e/static2/leak.txt")).status(), 403);
  const FakeExchange redirect(
      app, GetRequest(absl::StrCat("//evil.com/..", (base / "static" / "dir").string())));
  EXPECT_FALSE(redirect.has_header("Location"));
  EXPECT_EQ(FakeExchange(app, GetRequest("//evil.com/../dir")).status(), 403);
  // Not Tornado's: open(2) would end the name there.
  EXPECT_EQ(FakeExchange(app, GetRequest("/dir/index.html%00.png")).status(), 404);
}

}  // namespace
}  // namespace squall
