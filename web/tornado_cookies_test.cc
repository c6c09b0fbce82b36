// Cookies, signed cookies, XSRF and logins: Tornado's web_test, each test under its name.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/http_date.h"
#include "squall/web/application.h"
#include "squall/web/authenticated.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Settings Quiet() { return {.log_function = nullptr}; }

// A handler made of a function.
struct Does : RequestHandler {
  using What = void (*)(Does&);
  explicit Does(What what) : what(what) {}
  void Get() { what(*this); }
  void Post() { what(*this); }
  What what;
};

std::vector<std::string> CookiesSet(const FakeExchange& exchange) {
  std::vector<std::string> fields;
  for (const std::string_view field : exchange.headers().GetAll("Set-Cookie")) {
    fields.emplace_back(field);
  }
  std::sort(fields.begin(), fields.end());
  return fields;
}

std::vector<std::string> CookiesSet(Does::What what, std::string_view fields = "") {
  Application app({{"/", Handler<Does>(what)}}, Quiet());
  return CookiesSet(FakeExchange(app, GetRequest("/", fields)));
}

// ---- CookieTest.

TEST(CookieTest, set_cookie) {
  EXPECT_THAT(CookiesSet([](Does& handler) { handler.SetCookie("str", "asdf"); }),
              ElementsAre("str=asdf; Path=/"));
}

std::string CookieRead(std::string_view cookie) {
  Application app({{"/", Handler<Does>(+[](Does& handler) {
                      handler.Write(handler.GetCookie("foo").value_or("default"));
                    })}},
                  Quiet());
  return FakeExchange(app, GetRequest("/", absl::StrCat("Cookie: ", std::string(cookie), "\r\n")))
      .body();
}

TEST(CookieTest, get_cookie) {
  EXPECT_EQ(CookieRead("foo=bar"), "bar");
  EXPECT_EQ(CookieRead("foo=\"bar\""), "bar");
  EXPECT_EQ(CookieRead("/=exception;"), "default");
}

TEST(CookieTest, set_cookie_domain) {
  EXPECT_THAT(CookiesSet([](Does& handler) {
                handler.SetCookie("unicode_args", "blah", {.domain = "foo.com", .path = "/foo"});
              }),
              ElementsAre("unicode_args=blah; Domain=foo.com; Path=/foo"));
}

TEST(CookieTest, cookie_special_char) {
  EXPECT_THAT(CookiesSet([](Does& handler) {
                handler.SetCookie("equals", "a=b");
                handler.SetCookie("semicolon", "a;b");
                handler.SetCookie("quote", "a\"b");
              }),
              ElementsAre("equals=\"a=b\"; Path=/", "quote=\"a\\\"b\"; Path=/",
                          "semicolon=\"a\\073b\"; Path=/"));
  EXPECT_EQ(CookieRead("foo=a=b"), "a=b");
  EXPECT_EQ(CookieRead("foo=\"a=b\""), "a=b");
  EXPECT_EQ(CookieRead("foo=\"a;b\""), "\"a");
  EXPECT_EQ(CookieRead("foo=a\\073b"), "a\\073b");
  EXPECT_EQ(CookieRead("foo=\"a\\073b\""), "a;b");
  EXPECT_EQ(CookieRead("foo=\"a\\\"b\""), "a\"b");
}

TEST(CookieTest, set_cookie_overwrite) {
  EXPECT_THAT(CookiesSet([](Does& handler) {
                handler.SetCookie("a", "b", {.domain = "example.com"});
                handler.SetCookie("c", "d", {.domain = "example.com"});
                handler.SetCookie("a", "e");
              }),
              ElementsAre("a=e; Path=/", "c=d; Domain=example.com; Path=/"));
}

TEST(CookieTest, set_cookie_max_age) {
  EXPECT_THAT(CookiesSet([](Does& handler) {
                handler.SetCookie("foo", "bar", {.max_age = absl::Seconds(10)});
              }),
              ElementsAre("foo=bar; Max-Age=10; Path=/"));
}

// The time of "expires=", if there is one.
std::optional<absl::Time> ExpiresOf(std::string_view field) {
  const size_t begin = field.find("expires=");
  if (begin == std::string_view::npos) return std::nullopt;
  field.remove_prefix(begin + 8);
  return ParseHttpDate(field.substr(0, field.find(';')));
}

TEST(CookieTest, set_cookie_expires_days) {
  const absl::Time expires = absl::Now() + absl::Hours(24 * 10);
  const auto fields = CookiesSet([](Does& handler) {
    handler.SetCookie("foo", "bar", {.expires = absl::Now() + absl::Hours(24 * 10)});
  });
  ASSERT_EQ(fields.size(), 1u);
  ASSERT_TRUE(ExpiresOf(fields[0]).has_value()) << fields[0];
  EXPECT_LT(absl::AbsDuration(*ExpiresOf(fields[0]) - expires), absl::Seconds(10));
}

TEST(CookieTest, set_cookie_false_flags) {
  EXPECT_THAT(
      CookiesSet([](Does& handler) {
        handler.SetCookie("a", "1", {.secure = true});
        handler.SetCookie("b", "1", {.secure = false});
        handler.SetCookie("c", "1", {.http_only = true});
        handler.SetCookie("d", "1", {.http_only = false});
      }),
      ElementsAre("a=1; Path=/; Secure", "b=1; Path=/", "c=1; HttpOnly; Path=/", "d=1; Path=/"));
}

TEST(ClearAllCookiesTest, clear_all_cookies) {
  EXPECT_THAT(CookiesSet([](Does& handler) { handler.ClearAllCookies(); },
                         "Cookie: foo=bar; baz=xyzzy; no name; __Host-id=1\r\n"),
              ElementsAre(StartsWith("__Host-id=\"\"; expires=Thu, 01 Jan 1970"),
                          StartsWith("baz=\"\"; expires=Thu, 01 Jan 1970"),
                          StartsWith("foo=\"\"; expires=Thu, 01 Jan 1970")));
}

// ---- SecureCookieV2Test.

const CookieSecrets kVersions = {{0, "ajklasdf0ojaisdfajklasdf0ojaisdf"},
                                 {1, "aslkjasaolwkjsdfaslkjasaolwkjsdf"}};

std::string WriteSigned(const Settings& settings) {
  Application app(
      {{"/", Handler<Does>(+[](Does& handler) { handler.SetSignedCookie("foo", "bar"); })}},
      settings);
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.status(), 200);
  const std::string field = exchange.header("Set-Cookie");
  return field.substr(0, field.find("; Path"));
}

std::string ReadSigned(const Settings& settings, const std::string& cookie) {
  Application app({{"/", Handler<Does>(+[](Does& handler) {
                      handler.Write(handler.GetSignedCookie("foo").value_or("none"));
                      handler.Write(absl::StrCat(
                          " by ", handler.GetSignedCookieKeyVersion("foo").value_or(-1)));
                    })}},
                  settings);
  return FakeExchange(app, GetRequest("/", absl::StrCat("Cookie: ", cookie, "\r\n"))).body();
}

Settings Secrets(CookieSecrets secrets, int version) {
  Settings settings = Quiet();
  settings.cookie_secrets = std::move(secrets);
  settings.key_version = version;
  return settings;
}

TEST(SecureCookieV2Test, round_trip) {
  Settings settings = Quiet();
  settings.cookie_secret = "It's a secret to everybody, as is this";
  EXPECT_EQ(ReadSigned(settings, WriteSigned(settings)), "bar by 0");
  EXPECT_EQ(ReadSigned(settings, "foo=bar"), "none by -1");
}

TEST(SecureCookieV2Test, key_version_roundtrip) {
  const Settings settings = Secrets(kVersions, 0);
  EXPECT_EQ(ReadSigned(settings, WriteSigned(settings)), "bar by 0");
}

TEST(SecureCookieV2Test, key_version_roundtrip_differing_version) {
  const Settings settings = Secrets(kVersions, 1);
  EXPECT_EQ(ReadSigned(settings, WriteSigned(settings)), "bar by 1");
}

TEST(SecureCookieV2Test, key_version_increment_version) {
  EXPECT_EQ(ReadSigned(Secrets(kVersions, 1), WriteSigned(Secrets(kVersions, 0))), "bar by 0");
}

TEST(SecureCookieV2Test, key_version_invalidate_version) {
  CookieSecrets without = kVersions;
  without.erase(0);
  EXPECT_EQ(ReadSigned(Secrets(without, 1), WriteSigned(Secrets(kVersions, 0))), "none by 0");
}

TEST(SecureCookieTest, OneSecretBecomesVersionZeroOfSeveral) {
  Settings before = Quiet();
  before.cookie_secret = "the first secret, which is long enough";
  Settings after = Secrets({{1, "the second secret, which is long enough"}}, 1);
  after.cookie_secret = "the first secret, which is long enough";
  EXPECT_EQ(ReadSigned(after, WriteSigned(before)), "bar by 0");
  EXPECT_EQ(ReadSigned(after, WriteSigned(after)), "bar by 1");
}

TEST(SecureCookieTest, AShortSecretIsAnError) {
  Settings settings = Quiet();
  settings.cookie_secret = "thirty-one octets are too few..";
  EXPECT_THAT(Application::Create({}, settings).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Settings::cookie_secret has 31 octets; it has to have 32")));
  settings.cookie_secret += ".";
  EXPECT_THAT(Application::Create({}, settings), IsOk());
  EXPECT_THAT(
      Application::Create({}, Secrets({{7, "short"}}, 7)).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cookie_secrets[7] has 5 octets")));
  EXPECT_THAT(
      Application::Create({}, Secrets({{1, std::string(32, 'x')}, {2, ""}}, 1)).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cookie_secrets[2] is empty")));
}

TEST(SecureCookieTest, AKeyVersionWithoutASecretIsAnError) {
  EXPECT_THAT(Application::Create({}, Secrets(kVersions, 2)).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("key_version is 2")));
}

// ---- AuthRedirectTest, GetCurrentUserTest, SetLazyPropertiesTest.

struct Private : RequestHandler {
  explicit Private(std::string login = "") : login(std::move(login)) {}
  std::string GetLoginUrl() const override {
    return login.empty() ? RequestHandler::GetLoginUrl() : login;
  }
  std::optional<std::string> GetCurrentUser() override {
    ++asked;
    return GetCookie("user");
  }
  void Get() {
    if (!Authenticated(*this)) return;
    const std::string user = *current_user();
    Write(absl::StrCat(user, " ", *current_user() == user ? "same" : "other", " ", asked));
  }
  void Post() { Get(); }

  std::string login;
  int asked = 0;
};

TEST(AuthRedirectTest, relative_auth_redirect) {
  Application app({{"/relative.*", Handler<Private>("/login")}}, Quiet());
  const FakeExchange exchange(app, GetRequest("/relative?a=b"));
  EXPECT_EQ(exchange.status(), 302);
  EXPECT_EQ(exchange.header("Location"), "/login?next=%2Frelative%3Fa%3Db");
}

TEST(AuthRedirectTest, absolute_auth_redirect) {
  Application app({{"/absolute", Handler<Private>("http://example.com/login")}}, Quiet());
  const FakeExchange exchange(app, GetRequest("/absolute"));
  EXPECT_EQ(exchange.status(), 302);
  EXPECT_EQ(exchange.header("Location"),
            "http://example.com/login?next=http%3A%2F%2Fexample.com%2Fabsolute");
  const FakeExchange target(app, GetRequest("http://example.com/absolute"));
  EXPECT_EQ(target.header("Location"), exchange.header("Location"));
}

TEST(AuthenticatedTest, WhoIsLoggedInIsServedAndAskedForOnce) {
  Settings settings = Quiet();
  settings.login_url = "/login?from=app";
  Application app({{"/.*", Handler<Private>()}}, settings);
  EXPECT_EQ(FakeExchange(app, GetRequest("/", "Cookie: user=alice\r\n")).body(), "alice same 1");
  // A login URL with a query of its own stays as it is.
  EXPECT_EQ(FakeExchange(app, GetRequest("/x")).header("Location"), "/login?from=app");
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/", "", "")).status(), 403);
}

TEST(AuthenticatedTest, WithoutALoginUrl403) {
  LogCapture log;
  Application app({{"/", Handler<Private>()}}, Quiet());
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).status(), 403);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("login_url")));
}

// The login page sends its visitor to `next`, which must not be another site.
TEST(AuthenticatedTest, NextIsNoOtherSite) {
  Application app({{"/.*", Handler<Private>("/login")}}, Quiet());
  const FakeExchange exchange(app, GetRequest("//evil.example/x"));
  EXPECT_EQ(exchange.header("Location"), "/login?next=%2Fevil.example%2Fx");
  const FakeExchange backslash(app, GetRequest("/\\evil.example/x"));
  EXPECT_EQ(backslash.header("Location"), "/login?next=%2Fevil.example%2Fx");
  // An absolute target is no local URL, though it is this site's.
  const FakeExchange absolute(app, GetRequest("http://example.com/x?a=b"));
  EXPECT_EQ(absolute.header("Location"), "/login?next=%2Fx%3Fa%3Db");
  for (const char* local : {"/", "/a?b=c", "/a//b", "/a\\b"}) EXPECT_TRUE(IsLocalUrl(local));
  for (const char* other : {"", "a", "//evil.example", "/\\evil.example", "http://evil.example",
                            "javascript:alert(1)", "/\t/evil.example", "/\n", " /"}) {
    EXPECT_FALSE(IsLocalUrl(other)) << other;
  }
}

struct SetsUser : Private {
  void Prepare() { set_current_user("Ben"); }
  void Get() { Write(absl::StrCat(*current_user(), " ", asked)); }
};

TEST(SetLazyPropertiesTest, set_properties) {
  Application app({{"/", Handler<SetsUser>()}}, Quiet());
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "Ben 0");
}

// ---- XSRFTest.

struct Token : RequestHandler {
  void Get() { Write(XsrfToken()); }
  void Post() { Write("ok"); }
};

class XSRFTest : public testing::Test {
 protected:
  XSRFTest() : app_({{"/", Handler<Token>()}}, MakeSettings()), token_(GetToken()) {}

  static Settings MakeSettings() {
    Settings settings = Quiet();
    settings.xsrf_cookies = true;
    return settings;
  }
  std::string GetToken(const std::string& old = "") {
    return FakeExchange(app_, GetRequest("/", Cookie(old))).body();
  }
  static std::string Cookie(const std::string& token) {
    return token.empty() ? "" : absl::StrCat("Cookie: _xsrf=", token, "\r\n");
  }
  int Post(std::string_view body, const std::string& fields, std::string_view target = "/") {
    std::string request = BodyRequest("POST", target, "application/x-www-form-urlencoded", body);
    request.insert(request.find("\r\n") + 2, fields);
    return FakeExchange(app_, request).status();
  }

  LogCapture log_;
  Application app_;
  std::string token_;
};

TEST_F(XSRFTest, xsrf_fail_no_token) { EXPECT_EQ(Post("", ""), 403); }
TEST_F(XSRFTest, xsrf_fail_body_no_cookie) { EXPECT_EQ(Post("_xsrf=" + token_, ""), 403); }
TEST_F(XSRFTest, xsrf_fail_argument_invalid_format) {
  EXPECT_EQ(Post("_xsrf=3|", Cookie(token_)), 403);
}
TEST_F(XSRFTest, xsrf_fail_cookie_invalid_format) {
  EXPECT_EQ(Post("_xsrf=" + token_, Cookie("3|")), 403);
}
TEST_F(XSRFTest, xsrf_fail_cookie_no_body) { EXPECT_EQ(Post("", Cookie(token_)), 403); }
TEST_F(XSRFTest, xsrf_success_short_token) {
  EXPECT_EQ(Post("_xsrf=deadbeef", Cookie("deadbeef")), 200);
}
TEST_F(XSRFTest, xsrf_success_non_hex_token) { EXPECT_EQ(Post("_xsrf=xoxo", Cookie("xoxo")), 200); }
TEST_F(XSRFTest, xsrf_success_post_body) {
  EXPECT_EQ(Post("_xsrf=" + token_, Cookie(token_)), 200);
}
TEST_F(XSRFTest, xsrf_success_query_string) {
  EXPECT_EQ(Post("", Cookie(token_), "/?_xsrf=" + token_), 200);
}
TEST_F(XSRFTest, xsrf_success_header) {
  EXPECT_EQ(Post("", Cookie(token_) + "X-Xsrftoken: " + token_ + "\r\n"), 200);
  EXPECT_EQ(Post("", Cookie(token_) + "X-CSRFToken: " + token_ + "\r\n"), 200);
}

TEST_F(XSRFTest, distinct_tokens) {
  std::set<std::string> tokens;
  for (int i = 0; i < 10; ++i) tokens.insert(GetToken());
  EXPECT_EQ(tokens.size(), 10u);
}

TEST_F(XSRFTest, cross_user) {
  const std::string other = GetToken();
  EXPECT_EQ(Post("_xsrf=" + token_, Cookie(token_)), 200);
  EXPECT_EQ(Post("_xsrf=" + other, Cookie(other)), 200);
  EXPECT_EQ(Post("_xsrf=" + other, Cookie(token_)), 403);
  EXPECT_EQ(Post("_xsrf=" + token_, Cookie(other)), 403);
}

TEST_F(XSRFTest, refresh_token) {
  std::set<std::string> seen = {token_};
  std::string token = token_;
  for (int i = 0; i < 5; ++i) {
    token = GetToken(token);
    seen.insert(token);
    EXPECT_EQ(Post("_xsrf=" + token_, Cookie(token)), 200);
  }
  EXPECT_EQ(seen.size(), 6u);
}

// Tornado's versioning; squall reads version 1 and writes version 2.
TEST_F(XSRFTest, versioning) {
  const std::string v1 = "00112233445566778899aabbccddeeff";
  const std::string v2 = GetToken(v1);
  EXPECT_NE(v2, GetToken(v1));
  EXPECT_EQ(Post("_xsrf=" + v2, Cookie(v1)), 200);
  EXPECT_EQ(Post("_xsrf=" + v1, Cookie(v2)), 200);
}

TEST(XSRFCookieKwargsTest, xsrf_httponly) {
  Settings settings = Quiet();
  settings.xsrf_cookies = true;
  settings.xsrf_cookie_options = {.expires = absl::Now() + absl::Hours(48), .http_only = true};
  Application app({{"/", Handler<Token>()}}, settings);
  const std::string field = FakeExchange(app, GetRequest("/")).header("Set-Cookie");
  EXPECT_THAT(field, HasSubstr("HttpOnly;"));
  ASSERT_TRUE(ExpiresOf(field).has_value()) << field;
  EXPECT_LT(absl::AbsDuration(*ExpiresOf(field) - (absl::Now() + absl::Hours(48))),
            absl::Seconds(10));
}

// Tornado 6.3's xsrf_cookie_name, and xsrf_form_html().
TEST(XSRFCookieNameTest, TheArgumentKeepsItsName) {
  Settings settings = Quiet();
  settings.xsrf_cookies = true;
  settings.xsrf_cookie_name = "__Host-xsrf";
  settings.xsrf_cookie_options = {.secure = true};
  Application app({{"/", Handler<Does>(+[](Does& h) { h.Write(h.XsrfFormHtml()); })}}, settings);
  const FakeExchange page(app, GetRequest("/"));
  EXPECT_THAT(page.header("Set-Cookie"), StartsWith("__Host-xsrf=2|"));
  EXPECT_THAT(page.body(), StartsWith("<input type=\"hidden\" name=\"_xsrf\" value=\"2|"));
  const std::string token = page.body().substr(42, page.body().size() - 42 - 3);
  std::string post =
      BodyRequest("POST", "/", "application/x-www-form-urlencoded", "_xsrf=" + token);
  EXPECT_EQ(FakeExchange(app, post).status(), 403);
  post.insert(post.find("\r\n") + 2, "Cookie: __Host-xsrf=" + token + "\r\n");
  EXPECT_EQ(FakeExchange(app, post).status(), 200);
}

}  // namespace
}  // namespace squall
