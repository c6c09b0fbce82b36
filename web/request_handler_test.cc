// What handlers read and write, through a whole application. Names after Tornado's web_test where
// they are ports.
#include "squall/web/request_handler.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/multipart_parser.h"
#include "squall/web/application.h"
#include "squall/web/error_handler.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/http_error.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Hello : RequestHandler {
  void Get() { Write("hello"); }
};

// ---- Routes.

TEST(ApplicationTest, TheArticlesProgramCompilesAsWritten) {
  Application app{{"/", squall::Handler<Hello>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "hello");
}

// Default404Test.
TEST(ApplicationTest, NoRuleMatches) {
  Application app{{"/", Handler<Hello>()}};
  for (const char* method : {"GET", "POST", "FOO"}) {
    const FakeExchange exchange(app, BodyRequest(method, "/none", "", ""));
    EXPECT_EQ(exchange.status(), 404) << method;
    EXPECT_EQ(exchange.body(),
              "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
  }
}

TEST(ApplicationTest, ErrorPageSaysThatItIsHtml) {
  struct Json : RequestHandler {
    void SetDefaultHeaders() override { SetHeader("Content-Type", "application/json"); }
    void Get() { throw HttpError(403); }
  };
  Application app{{"/", Handler<Json>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).header("Content-Type"), "text/html; charset=UTF-8");
}

// DefaultHandlerArgumentsTest.
TEST(ApplicationTest, DefaultHandler) {
  Application app({{"/", Handler<Hello>()}},
                  {.default_handler = Handler<ErrorHandler>(403), .log_function = nullptr});
  EXPECT_EQ(FakeExchange(app, GetRequest("/none")).status(), 403);
}

TEST(ApplicationTest, HeadIsAnsweredByGet) {
  Application app{{"/", Handler<Hello>()}};
  const FakeExchange exchange(app, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), "hello");  // the connection counts it and drops it
}

// UnimplementedHTTPMethodsTest, UnimplementedNonStandardMethodsTest.
TEST(ApplicationTest, OtherMethodsAre405WithAllow) {
  struct NoMethods : RequestHandler {};
  Application app{{"/", Handler<Hello>()}, {"/none", Handler<NoMethods>()}};
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO", "get"}) {
    const FakeExchange exchange(app, BodyRequest(method, "/", "", ""));
    EXPECT_EQ(exchange.status(), 405) << method;
    EXPECT_EQ(exchange.header("Allow"), "GET, HEAD") << method;
  }
  const FakeExchange none(app, GetRequest("/none"));
  EXPECT_EQ(none.status(), 405);
  EXPECT_TRUE(none.has_header("Allow"));
  EXPECT_EQ(none.header("Allow"), "");
}

TEST(ApplicationTest, PathArgumentsAreTyped) {
  struct Item : RequestHandler {
    void Get(std::string_view name, std::optional<int> revision) {
      Write(absl::StrCat(std::string(name), " ", revision.value_or(-1)));
    }
  };
  Application app{{"/item/([^/]+)(?:/([0-9]+))?", Handler<Item>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/item/a%20b+c/7")).body(), "a b+c 7");
  EXPECT_EQ(FakeExchange(app, GetRequest("/item/a")).body(), "a -1");
  EXPECT_EQ(FakeExchange(app, GetRequest("/item/a/99999999999")).status(), 404);
  EXPECT_EQ(FakeExchange(app, GetRequest("/item/%FF")).status(), 400);
}

TEST(ApplicationTest, BadRulesAreErrorsWithAClearSentence) {
  struct OneArgument : RequestHandler {
    void Get(int) {}
  };
  EXPECT_THAT(Application::Create({{"/(a", Handler<Hello>()}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/(a")));
  EXPECT_THAT(Application::Create({{"/x/(a)", Handler<Hello>()}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"/x/(a)\" has 1 group,"),
                             HasSubstr("takes 0 path arguments for GET"))));
  EXPECT_THAT(Application::Create({{"/", Handler<OneArgument>()}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("takes 1 path argument for")));
  EXPECT_THAT(Application::Create({{"/", Handler<Hello>()}}), IsOk());
  EXPECT_DEATH(Application({{"/(a", Handler<Hello>()}}), "no valid regular expression");
}

TEST(ApplicationTest, ConstructorArgumentsAreKept) {
  struct Greeter : RequestHandler {
    Greeter(std::string greeting, int* count) : greeting(std::move(greeting)), count(count) {}
    void Get() { Write(absl::StrCat(greeting, ++*count)); }
    std::string greeting;
    int* count;
  };
  int count = 0;
  Application app{{"/", Handler<Greeter>("hi ", &count)}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "hi 1");
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "hi 2");
}

// ---- Status and fields.

// SetHeaderTest, CVE-2012-2374.
TEST(FieldTest, ControlCharactersAreRefused) {
  struct Sets : RequestHandler {
    void Get() {
      for (int octet = 0; octet < 256; ++octet) {
        const bool allowed = octet == 9 || (octet >= 32 && octet != 127);
        EXPECT_EQ(TrySetHeader("X-Foo", absl::StrCat("a", std::string(1, octet), "b")).ok(),
                  allowed)
            << octet;
      }
      EXPECT_FALSE(TrySetHeader("X Foo", "a").ok());
      ClearHeader("X-Foo");
      Write("fine");
    }
    void Post() {
      SetHeader("X-Foo", "foo\r\nX-Bar: baz");
      Write("not fine");
    }
  };
  LogCapture log;
  Application app{{"/", Handler<Sets>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "fine");
  const FakeExchange post(app, BodyRequest("POST", "/", "", ""));
  EXPECT_EQ(post.status(), 500);
  EXPECT_FALSE(post.has_header("X-Bar"));
  EXPECT_THAT(post.body(), Not(HasSubstr("not fine")));
  EXPECT_THAT(log.messages(), Contains(HasSubstr("X-Foo")));
}

// MultiHeader, ClearHeaderTest.
TEST(FieldTest, SetReplacesAddAppendsClearRemoves) {
  struct Sets : RequestHandler {
    void Get() {
      SetHeader("x-overwrite", "1");
      SetHeader("X-Overwrite", "2");
      AddHeader("x-multi", "3");
      AddHeader("X-Multi", "4");
      SetHeader("h1", "foo");
      ClearHeader("H1");
      ClearHeader("nonexistent");
    }
  };
  Application app{{"/", Handler<Sets>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_THAT(exchange.headers().GetAll("X-Overwrite"), ElementsAre("2"));
  EXPECT_THAT(exchange.headers().GetAll("x-multi"), ElementsAre("3", "4"));
  EXPECT_FALSE(exchange.has_header("h1"));
}

// StatusReasonTest, CVE-2025-67725.
TEST(StatusTest, Reasons) {
  struct Reasons : RequestHandler {
    void Get() {
      SetStatus(std::stoi(GetArgument("code", "200")), request().query_arguments().back().second);
    }
    void Post() { throw HttpError(682, "", "Foo"); }
    void Put() { throw HttpError(435); }
  };
  Application app{{"/", Handler<Reasons>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/?code=200&r=Fine")).reason(), "Fine");
  for (const char* bad : {"OK%0D%0AX-Injection:injected", "%3Cscript%3E", "%00", "a%7F"}) {
    EXPECT_EQ(FakeExchange(app, GetRequest(absl::StrCat("/?code=200&r=", bad))).reason(), "Unknown")
        << bad;
  }
  EXPECT_THAT(FakeExchange(app, BodyRequest("POST", "/", "", "")).body(), HasSubstr("682: Foo"));
  EXPECT_THAT(FakeExchange(app, BodyRequest("PUT", "/", "", "")).body(), HasSubstr("435: Unknown"));
}

// ---- Etags. CacheTest.

TEST(EtagTest, AutomaticForWhole200Answers) {
  struct Sends : RequestHandler {
    void Get() {
      SetHeader("Content-Language", "en_US");
      Write("hello");
    }
    void Post() { Write("hello"); }
  };
  Application app{{"/", Handler<Sends>()}};
  const std::string etag = "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\"";
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).header("Etag"), etag);
  EXPECT_FALSE(FakeExchange(app, BodyRequest("POST", "/", "", "")).has_header("Etag"));
  const FakeExchange known(app, GetRequest("/", absl::StrCat("If-None-Match: ", etag, "\r\n")));
  EXPECT_EQ(known.status(), 304);
  EXPECT_EQ(known.body(), "");
  EXPECT_EQ(known.header("Etag"), etag);
  EXPECT_FALSE(known.has_header("Content-Type"));
  EXPECT_FALSE(known.has_header("Content-Language"));
}

// RFC 9110 15.4.5: the tag is that of the 200.
TEST(EtagTest, A304HasTheTagOfTheCompressedAnswer) {
  struct Sends : RequestHandler {
    void Get() { Write(std::string(5000, 'x')); }
  };
  Application app({{"/", Handler<Sends>()}}, {.compress_response = true});
  for (const std::string accept : {"", "Accept-Encoding: gzip\r\n"}) {
    const std::string etag = FakeExchange(app, GetRequest("/", accept)).header("Etag");
    EXPECT_EQ(etag.starts_with("W/"), !accept.empty());
    const FakeExchange known(
        app, GetRequest("/", absl::StrCat(accept, "If-None-Match: ", etag, "\r\n")));
    EXPECT_EQ(known.status(), 304);
    EXPECT_EQ(known.header("Etag"), etag);
  }
}

// RFC 9110 15.5.2: a challenge is a must.
TEST(ErrorTest, A401HasAChallenge) {
  struct Refuses : RequestHandler {
    absl::Status Get() { return absl::UnauthenticatedError("who are you"); }
    void Post() {
      SetStatus(401);
      SetHeader("WWW-Authenticate", "Basic realm=\"x\"");
    }
  };
  Application app({{"/", Handler<Refuses>()}}, {.log_function = nullptr});
  const FakeExchange refused(app, GetRequest("/"));
  EXPECT_EQ(refused.status(), 401);
  EXPECT_EQ(refused.header("WWW-Authenticate"), "Bearer realm=\"application\"");
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/", "", "")).header("WWW-Authenticate"),
            "Basic realm=\"x\"");
  Application none({{"/", Handler<Refuses>()}}, {.www_authenticate = "", .log_function = nullptr});
  EXPECT_FALSE(FakeExchange(none, GetRequest("/")).has_header("WWW-Authenticate"));
}

// Malformed or dear, as in Tornado.
TEST(ErrorTest, FormsAboveTheirLimitsAre400) {
  struct Takes : RequestHandler {
    void Post() {}
  };
  Application app({{"/", Handler<Takes>()}},
                  {.form_limits = {.max_parts = 3, .max_fields = 2}, .log_function = nullptr});
  const auto parts = [&](int count) {
    std::string body;
    for (int i = 0; i < count; ++i) {
      body += "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
    }
    return FakeExchange(app,
                        BodyRequest("POST", "/", "multipart/form-data; boundary=b", body + "--b--"))
        .status();
  };
  EXPECT_EQ(parts(2), 200);
  EXPECT_EQ(parts(3), 400);
  const auto fields = [&](std::string_view body) {
    return FakeExchange(app, BodyRequest("POST", "/", "application/x-www-form-urlencoded", body))
        .status();
  };
  EXPECT_EQ(fields("a&b"), 200);
  EXPECT_EQ(fields("a&b&c"), 400);
}

TEST(ErrorTest, APartThatIsTooLargeIs413) {
  struct Takes : RequestHandler {
    absl::Status DataReceived(std::string_view data) { return parser.Feed(data); }
    absl::Status Post() { return parser.Finish(); }

    MultipartParser::Sink sink;
    MultipartParser parser{"b", sink, {.max_part_size = 3}};
  };
  Application app({{"/", Handler<Takes>()}}, {.log_function = nullptr});
  const auto upload = [&](std::string_view content) {
    return FakeExchange(
               app,
               BodyRequest("POST", "/", "multipart/form-data; boundary=b",
                           absl::StrCat("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n",
                                        ToAbsl(content), "\r\n--b--\r\n")))
        .status();
  };
  EXPECT_EQ(upload("123"), 200);
  EXPECT_EQ(upload("1234"), 413);
}

TEST(EtagTest, IfNoneMatchIsAWeakComparison) {
  struct Fixed : RequestHandler {
    void Get() {
      SetHeader("Etag", GetArgument("etag", ""));
      Write("x");
    }
  };
  Application app{{"/", Handler<Fixed>()}};
  const auto status = [&](const char* etag, const char* fields) {
    return FakeExchange(app, GetRequest(absl::StrCat("/?etag=", etag), fields)).status();
  };
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: \"xyzzy\"\r\n"), 304);
  EXPECT_EQ(status("\"xyzzy1\"", "If-None-Match: W/\"xyzzy1\"\r\n"), 304);
  EXPECT_EQ(status("W/\"xyzzy1\"", "If-None-Match: \"xyzzy1\"\r\n"), 304);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: \"a\", W/\"xyzzy\"\r\n"), 304);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: \"a\"\r\nIf-None-Match: \"xyzzy\"\r\n"), 304);
  EXPECT_EQ(status("\"a,b\"", "If-None-Match: \"a,b\"\r\n"), 304);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: *\r\n"), 304);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: \"xyzz\"\r\n"), 200);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: xyzzy\r\n"), 200);
  EXPECT_EQ(status("\"xyzzy\"", "If-None-Match: \"\r\n"), 200);
}

TEST(EtagTest, IfMatchIsAStrongComparison) {
  struct Fixed : RequestHandler {
    void Get() {
      if (const std::string etag = GetArgument("etag", ""); !etag.empty()) SetHeader("Etag", etag);
      SetStatus(request().path() == "/201" ? 201 : 200);
      Write("hello");
    }
    void Post() { Get(); }
    void WriteError(int status) override {
      SetStatus(status);
      Finish("page");
    }
  };
  Application app({{"/.*", Handler<Fixed>()}}, {.log_function = nullptr});
  const auto status = [&](const char* target, const char* if_match) {
    return FakeExchange(app, GetRequest(target, absl::StrCat("If-Match: ", if_match, "\r\n")))
        .status();
  };
  const char* const hello = "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\"";
  EXPECT_EQ(status("/", hello), 200);
  EXPECT_EQ(status("/", "*"), 200);
  EXPECT_EQ(status("/", "\"x\""), 412);
  EXPECT_EQ(status("/", absl::StrCat("W/", hello).c_str()), 412);
  EXPECT_EQ(status("/?etag=\"x\"", "\"a\", \"x\""), 200);
  EXPECT_EQ(status("/?etag=W/\"x\"", "W/\"x\""), 412);
  // A tag that is not there cannot be compared.
  struct Untagged : Fixed {
    std::string ComputeEtag() override { return ""; }
  };
  Application untagged({{"/", Handler<Untagged>()}}, {.log_function = nullptr});
  EXPECT_EQ(FakeExchange(untagged, GetRequest("/", "If-Match: \"x\"\r\n")).status(), 200);
  // Nothing else than what a 2xx answer with a tag says.
  EXPECT_EQ(status("/201", "\"x\""), 201);
  std::string post = BodyRequest("POST", "/", "", "");
  post.insert(post.find("\r\n") + 2, "If-Match: \"x\"\r\n");
  EXPECT_EQ(FakeExchange(app, post).status(), 200);
  // It goes before If-None-Match, RFC 9110 13.2.2.
  const FakeExchange both(
      app, GetRequest("/", absl::StrCat("If-Match: \"x\"\r\nIf-None-Match: ", hello, "\r\n")));
  EXPECT_EQ(both.status(), 412);
  EXPECT_EQ(both.body(), "page");
}

// Header204Test, Header304Test.
TEST(BodyTest, AnswersWithoutBody) {
  struct NoBody : RequestHandler {
    void Get() {
      SetStatus(204);
      Write("dropped");
    }
  };
  LogCapture log;
  Application app{{"/", Handler<NoBody>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.status(), 204);
  EXPECT_EQ(exchange.body(), "");
  EXPECT_FALSE(exchange.has_header("Content-Type"));
  EXPECT_THAT(log.messages(), Contains(HasSubstr("has no body")));
}

// ---- Cookies. CookieTest.

TEST(CookieTest, SetGetClear) {
  struct Cookies : RequestHandler {
    void Get() {
      SetCookie("a", "1");
      SetCookie("a", "2", {.http_only = true});
      SetCookie("b", "x y");  // refused
    }
    void Post() {
      ClearCookie("a");
      Write(GetCookie("foo").value_or("default"));
    }
  };
  Application app{{"/", Handler<Cookies>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/")).status(), 500);
  const FakeExchange post(
      app, "POST / HTTP/1.1\r\nHost: a\r\nCookie: foo=1\r\nCookie: foo=\"a\\073b\"\r\n\r\n");
  EXPECT_EQ(post.body(), "a;b");
  EXPECT_THAT(post.header("Set-Cookie"),
              AllOf(HasSubstr("a="), HasSubstr("Thu, 01 Jan 1970 00:00:00 GMT")));
}

TEST(CookieTest, SignedCookies) {
  struct Signed : RequestHandler {
    void Get() { SetSignedCookie("user", "alice"); }
    void Post() { Write(GetSignedCookie("user").value_or("nobody")); }
  };
  Application app({{"/", Handler<Signed>()}},
                  {.cookie_secret = "It's a secret to everybody, as is this"});
  std::string cookie = FakeExchange(app, GetRequest("/")).header("Set-Cookie");
  cookie.resize(cookie.find(';'));
  const auto read = [&](const std::string& value) {
    return FakeExchange(app,
                        absl::StrCat("POST / HTTP/1.1\r\nHost: a\r\nCookie: ", value, "\r\n\r\n"))
        .body();
  };
  EXPECT_EQ(read(cookie), "alice");
  cookie.back() = cookie.back() == '0' ? '1' : '0';
  EXPECT_EQ(read(cookie), "nobody");
  EXPECT_EQ(read("user=alice"), "nobody");
}

// ---- XSRF. XSRFTest.

struct Form : RequestHandler {
  void Get() { Write(XsrfToken()); }
  void Post() { Write("ok"); }
};

TEST(XsrfTest, TokenMustMatchTheCookie) {
  Application app({{"/", Handler<Form>()}}, {.xsrf_cookies = true});
  const FakeExchange page(app, GetRequest("/"));
  std::string cookie = page.header("Set-Cookie");
  cookie.resize(cookie.find(';'));
  const FakeExchange page_again(app, GetRequest("/", absl::StrCat("Cookie: ", cookie, "\r\n")));
  EXPECT_NE(page.body(), page_again.body()) << "the mask is new each time";
  EXPECT_FALSE(page_again.has_header("Set-Cookie"));
  const auto post = [&](const std::string& fields, const std::string& query = "") {
    return FakeExchange(app,
                        absl::StrCat("POST /", query, " HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"))
        .status();
  };
  const std::string with_cookie = absl::StrCat("Cookie: ", cookie, "\r\n");
  EXPECT_EQ(post(""), 403);
  EXPECT_EQ(post(with_cookie), 403);
  EXPECT_EQ(post(absl::StrCat("X-XSRFToken: ", page.body(), "\r\n")), 403);
  EXPECT_EQ(post(absl::StrCat(with_cookie, "X-XSRFToken: ", page.body(), "\r\n")), 200);
  EXPECT_EQ(post(absl::StrCat(with_cookie, "X-CSRFToken: ", page_again.body(), "\r\n")), 200);
  EXPECT_EQ(post(with_cookie, absl::StrCat("?_xsrf=", page.body())), 200);
  EXPECT_EQ(post(absl::StrCat(with_cookie, "X-XSRFToken: deadbeef\r\n")), 403);
  EXPECT_EQ(post("Cookie: _xsrf=deadbeef\r\nX-XSRFToken: deadbeef\r\n"), 200);
  EXPECT_EQ(post("Cookie: _xsrf=\r\nX-XSRFToken: \r\n"), 403);
  // 1.1.1: this field must not skip the check.
  EXPECT_EQ(post("X-Requested-With: XMLHttpRequest\r\n"), 403);
  // CVE-2026-49854: a mask of one octet.
  EXPECT_EQ(post("Cookie: _xsrf=2|00|616263|1\r\nX-XSRFToken: 2|00|616263|1\r\n"), 403);
  // Nor are versions that nobody knows, as in Tornado.
  for (const char* other : {"1|616263", "3|", "22|00000000|616263|1"}) {
    EXPECT_EQ(post(absl::StrCat("Cookie: _xsrf=", other, "\r\nX-XSRFToken: ", other, "\r\n")), 403)
        << other;
  }
  EXPECT_EQ(post("Cookie: _xsrf=x|y\r\nX-XSRFToken: x|y\r\n"), 200);
}

TEST(XsrfTest, ErrorHandlerNeedsNoToken) {
  Application app({{"/gone", Handler<ErrorHandler>(410)}}, {.xsrf_cookies = true});
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/gone", "", "")).status(), 410);
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/none", "", "")).status(), 404);
}

}  // namespace
}  // namespace squall
