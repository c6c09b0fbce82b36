// Redirects, through a whole application. Names after Tornado's web_test where they are ports.
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/local_path.h"
#include "squall/web/redirect_handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/slash_redirect.h"

namespace squall {
namespace {

TEST(RedirectTest, LocationAndStatus) {
  struct Redirects : RequestHandler {
    void Get() { Redirect("/x", std::stoi(GetArgument("status", "302"))); }
    void Post() { Redirect("/x\r\nSet-Cookie: a=b"); }
  };
  Application app{{"/", Handler<Redirects>()}};
  const FakeExchange found(app, GetRequest("/"));
  EXPECT_EQ(found.status(), 302);
  EXPECT_EQ(found.header("Location"), "/x");
  EXPECT_EQ(FakeExchange(app, GetRequest("/?status=308")).status(), 308);
  EXPECT_EQ(FakeExchange(app, GetRequest("/?status=200")).status(), 500);
  const FakeExchange split(app, BodyRequest("POST", "/", "", ""));
  EXPECT_EQ(split.status(), 500);
  EXPECT_FALSE(split.has_header("Set-Cookie"));
}

// RedirectHandlerTest.
TEST(RedirectTest, RedirectHandlerLeavesTheSiteOnlyWhenItsTargetDoes) {
  Application app{{"/old/(.*)", Handler<RedirectHandler>("/{0}")},
                  {"/cdn/(.*)", Handler<RedirectHandler>("//cdn.example/{0}")}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/old//evil.example")).header("Location"),
            "/evil.example");
  EXPECT_EQ(FakeExchange(app, GetRequest("/cdn/x")).header("Location"), "//cdn.example/x");
}

TEST(RedirectTest, RedirectHandlerFillsInGroupsAndKeepsTheQuery) {
  Application app{{"/src", Handler<RedirectHandler>("/dst")},
                  {"/src2", Handler<RedirectHandler>("/dst2?foo=bar")},
                  {"/(.*?)/(.*?)/(.*)", Handler<RedirectHandler>("/{1}/{0}/{2}{x}{9}", 302)}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/src")).header("Location"), "/dst");
  EXPECT_EQ(FakeExchange(app, GetRequest("/src")).status(), 301);
  EXPECT_EQ(FakeExchange(app, GetRequest("/src?foo=bar")).header("Location"), "/dst?foo=bar");
  EXPECT_EQ(FakeExchange(app, GetRequest("/src2?hello=world")).header("Location"),
            "/dst2?foo=bar&hello=world");
  EXPECT_EQ(FakeExchange(app, GetRequest("/a/b/c")).header("Location"), "/b/a/c{x}{9}");
  EXPECT_EQ(FakeExchange(app, GetRequest("/a/b/c")).status(), 302);
}

// DecoratorTest.
TEST(RedirectTest, Slashes) {
  struct With : RequestHandler {
    void Get() {
      if (!RedirectWithSlash(*this)) Write("with");
    }
  };
  struct Without : RequestHandler {
    void Get() {
      if (!RedirectWithoutSlash(*this)) Write("without");
    }
  };
  Application app{{"/addslash/?", Handler<With>()}, {".*", Handler<Without>()}};
  const auto location = [&](const char* target) {
    const FakeExchange exchange(app, GetRequest(target));
    return absl::StrCat(exchange.status(), " ", exchange.header("Location"));
  };
  EXPECT_EQ(location("/addslash?foo=bar"), "301 /addslash/?foo=bar");
  EXPECT_EQ(location("/addslash/"), "200 ");
  EXPECT_EQ(location("/x/?foo=bar"), "301 /x?foo=bar");
  EXPECT_EQ(location("/x"), "200 ");
  EXPECT_EQ(location("/"), "200 ");
  // Not another site.
  EXPECT_EQ(location("//evil.example/"), "301 /evil.example");
  EXPECT_EQ(location("/\\evil.example/"), "301 /evil.example");
}

TEST(LocalPathTest, OneSlashInThePlaceOfAll) {
  using internal::LocalPath;
  EXPECT_EQ(LocalPath("/a//b"), "/a//b");
  EXPECT_EQ(LocalPath("/"), "/");
  EXPECT_EQ(LocalPath(""), "");
  EXPECT_EQ(LocalPath("a\\b"), "a\\b");
  for (const char* path : {"//evil/x", "/\\evil/x", "\\/evil/x", "\\\\evil/x", "///\\/evil/x"}) {
    EXPECT_EQ(LocalPath(path), "/evil/x") << path;
  }
}

}  // namespace
}  // namespace squall
