// Rules, hosts, names and rules within rules: Tornado's routing_test and what of web_test is about
// routes, under their names.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/http_delegate.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/rule.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::HasSubstr;

struct Say : RequestHandler {
  explicit Say(std::string text) : text(std::move(text)) {}
  void Get() { Write(text); }
  void Post() { Write(text); }
  std::string text;
};

struct Reverse : RequestHandler {
  explicit Reverse(std::string name) : name(std::move(name)) {}
  void Get() { Write(absl::StrCat(name, ": ", application().ReverseUrl(name).value())); }
  std::string name;
};

Settings Quiet() { return {.log_function = nullptr}; }

std::string Body(Application& app, std::string_view target, std::string_view host = "example.com",
                 std::string_view fields = "") {
  std::string request =
      absl::StrCat("GET ", std::string(target), " HTTP/1.1\r\nHost: ", std::string(host), "\r\n",
                   std::string(fields), "\r\n");
  FakeExchange exchange(app, request);
  return exchange.status() == 200 ? exchange.body() : absl::StrCat(exchange.status());
}

// ---- routing_test.py.

class Ok : public HttpServerConnectionDelegate {
 public:
  std::unique_ptr<HttpMessageDelegate> StartRequest(HttpConnection& connection) override {
    return std::make_unique<Message>(connection);
  }

 private:
  class Message : public HttpMessageDelegate {
   public:
    explicit Message(HttpConnection& connection) : connection_(connection) {}
    void Finish() override { connection_.FinishWith({}, "OK").IgnoreError(); }

   private:
    HttpConnection& connection_;
  };
};

TEST(RuleRouterTest, rule_based_router) {
  Ok delegate;
  Application app({}, Quiet());
  ASSERT_THAT(
      app.AddHandlers(
          ".*",
          {{".*",
            Routes({{"/first_handler", Handler<Reverse>("second_handler"), {"second_handler"}}}),
            {.host = "www.example.com"}},
           {"/.*handler",
            Routes({{"/nested_handler", Handler<Reverse>("nested_handler"), {"nested_handler"}}})},
           {"/first_handler", Handler<Reverse>("first_handler"), {.name = "first_handler"}},
           {"/connection_delegate", &delegate}}),
      IsOk());
  EXPECT_EQ(Body(app, "/first_handler"), "first_handler: /first_handler");
  EXPECT_EQ(Body(app, "/first_handler", "www.example.com"), "second_handler: /first_handler");
  EXPECT_EQ(Body(app, "/nested_handler"), "nested_handler: /nested_handler");
  EXPECT_EQ(Body(app, "/nested_not_found_handler"), "404");
  EXPECT_EQ(Body(app, "/connection_delegate"), "OK");
  EXPECT_EQ(Body(app, "/404"), "404");
}

// Tornado's WSGIContainerTestCase, with an application in place of the container.
TEST(RoutingTest, AnApplicationWithinAnApplication) {
  Application inner({{"/tornado/test", Handler<Reverse>("tornado"), {.name = "tornado"}}}, Quiet());
  Application app({{"/tornado.*", &inner}}, Quiet());
  EXPECT_EQ(Body(app, "/tornado/test"), "tornado: /tornado/test");
  EXPECT_EQ(Body(app, "/tornado/other"), "404");
  EXPECT_EQ(Body(app, "/404"), "404");
}

// ---- web_test.py.

TEST(HostMatchingTest, host_matching) {
  Application app({{"/foo", Handler<Say>("wildcard")}}, Quiet());
  ASSERT_THAT(app.AddHandlers("www.example.com", {{"/foo", Handler<Say>("[0]")}}), IsOk());
  ASSERT_THAT(app.AddHandlers("www\\.example\\.com", {{"/bar", Handler<Say>("[1]")}}), IsOk());
  ASSERT_THAT(app.AddHandlers("www.example.com", {{"/baz", Handler<Say>("[2]")}}), IsOk());
  ASSERT_THAT(app.AddHandlers("www.e.*e.com", {{"/baz", Handler<Say>("[3]")}}), IsOk());
  EXPECT_EQ(Body(app, "/foo"), "wildcard");
  EXPECT_EQ(Body(app, "/bar"), "404");
  EXPECT_EQ(Body(app, "/baz"), "404");
  EXPECT_EQ(Body(app, "/foo", "www.example.com"), "[0]");
  EXPECT_EQ(Body(app, "/bar", "WWW.example.com:8080"), "[1]");
  EXPECT_EQ(Body(app, "/bar", "www.example.com:"), "[1]");
  EXPECT_EQ(Body(app, "/baz", "www.example.com"), "[2]");
  EXPECT_EQ(Body(app, "/baz", "www.exe.com"), "[3]");
  EXPECT_EQ(Body(app, "/baz", "www.example.com.evil"), "404");
}

TEST(DefaultHostMatchingTest, default_host_matching) {
  Settings settings = Quiet();
  settings.default_host = "www.example.com";
  Application app({}, settings);
  ASSERT_THAT(app.AddHandlers("www.example.com", {{"/foo", Handler<Say>("[0]")}}), IsOk());
  ASSERT_THAT(app.AddHandlers("www\\.example\\.com", {{"/bar", Handler<Say>("[1]")}}), IsOk());
  ASSERT_THAT(app.AddHandlers("www.test.com", {{"/baz", Handler<Say>("[2]")}}), IsOk());
  EXPECT_EQ(Body(app, "/foo"), "[0]");
  EXPECT_EQ(Body(app, "/bar"), "[1]");
  EXPECT_EQ(Body(app, "/baz"), "404");
  EXPECT_EQ(Body(app, "/foo", "example.com", "X-Real-Ip: 127.0.0.1\r\n"), "404");
  settings.default_host = "www.test.com";
  Application other({}, settings);
  ASSERT_THAT(other.AddHandlers("www.test.com", {{"/baz", Handler<Say>("[2]")}}), IsOk());
  EXPECT_EQ(Body(other, "/baz"), "[2]");
}

struct Named : RequestHandler {
  void Get(std::string_view path) {
    Write(absl::StrCat(std::string(path), " ", std::string(path_arg("path").value_or("none")), " ",
                       path_arg("other").has_value() ? "?" : "-"));
  }
};

TEST(NamedURLSpecGroupsTest, named_urlspec_groups) {
  Application app({{"/str/(?P<path>.*)", Handler<Named>()}, {"/positional/(.*)", Handler<Named>()}},
                  Quiet());
  EXPECT_EQ(Body(app, "/str/foo%20x"), "foo x foo x -");
  EXPECT_EQ(Body(app, "/positional/bar"), "bar none -");
}

struct InPrepare : RequestHandler {
  void Prepare() { Write(path_args()[0].value()); }
  void Get(std::string_view) { Finish(); }
};

TEST(PathArgsInPrepareTest, pos) {
  Application app({{"/pos/(.*)", Handler<InPrepare>()}, {"/kw/(?P<path>.*)", Handler<InPrepare>()}},
                  Quiet());
  EXPECT_EQ(Body(app, "/pos/foo"), "foo");
  EXPECT_EQ(Body(app, "/kw/foo"), "foo");
}

TEST(WSGISafeWebTest, reverse_url) {
  Application app({{"/decode_arg/(.*)", Handler<Named>(), {.name = "decode_arg"}}}, Quiet());
  EXPECT_THAT(app.ReverseUrl("decode_arg", "foo"), IsOkAndHolds("/decode_arg/foo"));
  EXPECT_THAT(app.ReverseUrl("decode_arg", 42), IsOkAndHolds("/decode_arg/42"));
  EXPECT_THAT(app.ReverseUrl("decode_arg", "\xC3\xA9"), IsOkAndHolds("/decode_arg/%C3%A9"));
  EXPECT_THAT(app.ReverseUrl("decode_arg", "1 + 1"), IsOkAndHolds("/decode_arg/1%20%2B%201"));
}

struct Optional : RequestHandler {
  void Get(std::optional<std::string_view> path) { Write(path.value_or("None")); }
};

TEST(WSGISafeWebTest, optional_path) {
  Application app({{"/optional_path/(.+)?", Handler<Optional>()}}, Quiet());
  EXPECT_EQ(Body(app, "/optional_path/foo"), "foo");
  EXPECT_EQ(Body(app, "/optional_path/"), "None");
}

// ---- Beyond Tornado.

TEST(ReverseUrlTest, SaysWhatIsWrong) {
  Application app({{"/item/([0-9]+)", Handler<Named>(), {.name = "item"}},
                   {"/page/?", Handler<Say>(""), {.name = "page"}}},
                  Quiet());
  EXPECT_THAT(app.ReverseUrl("item", 7), IsOkAndHolds("/item/7"));
  EXPECT_THAT(app.ReverseUrl("none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
  EXPECT_THAT(app.ReverseUrl("item"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 1 groups")));
  EXPECT_THAT(app.ReverseUrl("item", "seven"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"/item/seven\" does not")));
  EXPECT_THAT(app.ReverseUrl("page"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no URL can be made")));
}

TEST(ReverseUrlTest, FindsNamesWithinAndOfHosts) {
  Application app({Mount("/api", {{"/users/([0-9]+)", Handler<Named>(), {.name = "user"}}})},
                  Quiet());
  ASSERT_THAT(app.AddHandlers("b", {{"/blog", Handler<Say>(""), {.name = "blog"}}}), IsOk());
  EXPECT_THAT(app.ReverseUrl("user", 7), IsOkAndHolds("/api/users/7"));
  EXPECT_THAT(app.ReverseUrl("blog"), IsOkAndHolds("/blog"));
}

TEST(MountTest, PatternsAreBelowThePrefix) {
  Application app({Mount("/a.b", {{"", Handler<Say>("top")},
                                  {"/", Handler<Say>("slash")},
                                  {"/x|/y", Handler<Say>("either")},
                                  {"^/z$", Handler<Say>("anchored")},
                                  Mount("/in", {{"/(.*)", Handler<Named>()}})}),
                   {"/a.b/late", Handler<Say>("late")},
                   {"/x", Handler<Say>("outside")}},
                  Quiet());
  EXPECT_EQ(Body(app, "/a.b"), "top");
  EXPECT_EQ(Body(app, "/a.b/"), "slash");
  EXPECT_EQ(Body(app, "/a.b/x"), "either");
  EXPECT_EQ(Body(app, "/a.b/y"), "either");
  EXPECT_EQ(Body(app, "/a.b/z"), "anchored");
  EXPECT_EQ(Body(app, "/a.b/in/q"), "q none -");
  EXPECT_EQ(Body(app, "/a.b/late"), "late");
  EXPECT_EQ(Body(app, "/x"), "outside");
  EXPECT_EQ(Body(app, "/aXb"), "404");
  EXPECT_EQ(Body(app, "/y"), "404");
}

TEST(MountDeathTest, ThePrefixIsAPath) {
  EXPECT_DEATH(Mount("api", {}), "has to begin with");
  EXPECT_DEATH(Mount("/api/", {}), "not to end with it");
}

TEST(RuleTest, HostChoosesAmongEqualPatterns) {
  Application app({{"/", Handler<Say>("a"), {.host = "a"}},
                   {"/", Handler<Say>("b"), {.host = "b"}},
                   {"/", Handler<Say>("any")},
                   {"/", Handler<Say>("never"), {.host = "c"}}},
                  Quiet());
  EXPECT_EQ(Body(app, "/", "a"), "a");
  EXPECT_EQ(Body(app, "/", "B"), "b");
  EXPECT_EQ(Body(app, "/", "c"), "any");
}

TEST(RuleTest, MistakesAreErrorsThatNameThem) {
  const auto error = [](std::vector<Rule> rules) {
    return Application::Create(std::move(rules)).status();
  };
  EXPECT_THAT(error({{"/a", Handler<Say>(""), {.host = "("}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("host pattern \"(\"")));
  EXPECT_THAT(error({{"/a", Handler<Say>(""), {"n"}}, {"/b", Handler<Say>(""), {"n"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("two rules have the name \"n\": \"/a\" and \"/b\"")));
  EXPECT_THAT(error({{"/.*", Routes({{"/a/(.*)", Handler<Say>("")}})}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 1 group")));
  HttpServerConnectionDelegate* const none = nullptr;
  EXPECT_THAT(error({{"/a", none}}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RuleOptionsTest, CountMoreThanTheSettings) {
  int logged = 0;
  Settings settings;
  settings.log_function = [&](const AccessLogEntry&) { ++logged; };
  settings.xsrf_cookies = true;
  settings.compress_response = true;
  const std::string text(2000, 'x');
  Application app(
      {{"/plain", Handler<Say>(text)},
       {"/other",
        Handler<Say>(text),
        {.max_body_size = 7, .compress_response = false, .xsrf_cookies = false, .log = false}}},
      settings);
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/plain", "", "x")).status(), 403);
  EXPECT_EQ(FakeExchange(app, GetRequest("/plain", "Accept-Encoding: gzip\r\n"))
                .header("Content-Encoding"),
            "gzip");
  EXPECT_EQ(logged, 2);
  FakeExchange posted(app, BodyRequest("POST", "/other", "", "x"));
  EXPECT_EQ(posted.status(), 200);
  EXPECT_EQ(posted.max_body_size(), 7u);
  EXPECT_FALSE(posted.body_is_streamed());
  EXPECT_FALSE(FakeExchange(app, GetRequest("/other", "Accept-Encoding: gzip\r\n"))
                   .has_header("Content-Encoding"));
  EXPECT_EQ(logged, 2);
}

}  // namespace
}  // namespace squall
