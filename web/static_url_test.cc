// Tornado's test_static_url, test_absolute_static_url, test_include_host_override and what a file that
// changes needs.
#include "squall/web/static_url.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/open_file.h"
#include "squall/web/settings.h"
#include "squall/web/static_versions.h"

namespace squall {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;

struct Link : RequestHandler {
  void Get() {
    Write(StaticUrl(*this, GetArgument("path", "robots.txt"),
                    {.include_host = GetArgument("host", "") == "1",
                     .include_version = GetArgument("version", "1") == "1"}));
  }
};

class StaticUrlTest : public testing::Test {
 protected:
  StaticUrlTest()
      : base_(std::filesystem::path(getenv("TEST_TMPDIR")) / "static_url_test"),
        app_({{"/link", Handler<Link>()}}, {.static_path = base_, .log_function = nullptr}) {
    std::filesystem::remove_all(base_);
    std::filesystem::create_directories(base_);
    Write("robots.txt", "User-agent: *\nDisallow: /\n");
  }
  ~StaticUrlTest() override { std::filesystem::remove_all(base_); }

  void Write(const char* name, const char* text) const { std::ofstream(base_ / name) << text; }
  std::string Url(const std::string& query = "") {
    return FakeExchange(app_, GetRequest("/link" + query)).body();
  }

  std::filesystem::path base_;
  Application app_;
};

TEST_F(StaticUrlTest, VersionHostAndPath) {
  EXPECT_THAT(Url(), MatchesRegex("/static/robots\\.txt\\?v=[0-9a-f]{16}"));
  EXPECT_EQ(Url("?version=0"), "/static/robots.txt");
  EXPECT_EQ(Url("?version=0&host=1"), "http://example.com/static/robots.txt");
  EXPECT_EQ(Url("?host=1"), "http://example.com" + Url());
  EXPECT_EQ(Url("?version=0&path=a/b%20%3F%22.css"), "/static/a/b%20%3F%22.css");
}

TEST_F(StaticUrlTest, TheVersionLeadsToTheFileForTenYears) {
  const FakeExchange file(app_, GetRequest(Url()));
  EXPECT_EQ(file.status(), 200);
  EXPECT_EQ(file.body(), "User-agent: *\nDisallow: /\n");
  EXPECT_EQ(file.header("Cache-Control"), "max-age=315360000");
  EXPECT_TRUE(file.has_header("Expires"));
}

TEST_F(StaticUrlTest, AnotherContentIsAnotherVersionAtOnce) {
  const std::string first = Url();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Url(), first);
  EXPECT_EQ(app_.static_versions().read(), 1u);
  Write("robots.txt", "other");
  const std::string second = Url();
  EXPECT_NE(second, first);
  Write("next", "User-agent: *\nDisallow: /\n");
  std::filesystem::rename(base_ / "next", base_ / "robots.txt");
  EXPECT_EQ(Url(), first) << "the same content";
  EXPECT_EQ(app_.static_versions().read(), 3u);
}

TEST_F(StaticUrlTest, WithoutAFileThereIsNoVersion) {
  LogCapture log;
  EXPECT_EQ(Url("?path=none"), "/static/none");
  EXPECT_THAT(log.messages(), Contains(HasSubstr("no file none")));
  EXPECT_EQ(Url("?path=../etc/passwd"), "/static/../etc/passwd");
  // Not remembered.
  Write("none", "x");
  EXPECT_THAT(Url("?path=none"), HasSubstr("?v="));
}

// What a site wants of both: one line of settings.
TEST_F(StaticUrlTest, VersionsAndPrecompressedFilesGoTogether) {
  std::filesystem::create_directory(base_ / "css");
  Write("css/site.css", "body {}");
  Write("css/site.css.gz", "packed");
  std::filesystem::create_symlink("site.css", base_ / "css" / "link.css");
  Application app({{"/link", Handler<Link>()}}, {.static_path = base_,
                                                 .static_options = {.list_directories = true,
                                                                    .precompressed = true,
                                                                    .cache_control = "max-age=60",
                                                                    .links = SymbolicLinks::kNone,
                                                                    .open_files = nullptr},
                                                 .log_function = nullptr});
  const auto url = [&app](const char* path) {
    return FakeExchange(app, GetRequest(std::string("/link?path=") + path)).body();
  };
  EXPECT_THAT(url("css/site.css"), MatchesRegex("/static/css/site\\.css\\?v=[0-9a-f]{16}"));
  const FakeExchange packed(app, GetRequest(url("css/site.css"), "Accept-Encoding: gzip\r\n"));
  EXPECT_EQ(packed.body(), "packed");
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(packed.header("Cache-Control"), "max-age=315360000");
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/css/site.css")).header("Cache-Control"),
            "max-age=60");
  EXPECT_THAT(FakeExchange(app, GetRequest("/static/css/")).body(), HasSubstr("site.css"));
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/css/link.css")).status(), 403);
  EXPECT_EQ(url("css/link.css"), "/static/css/link.css");
}

TEST(StaticOptionsTest, TheDirectoryHasOnePlace) {
  EXPECT_THAT(
      Application::Create({}, {.static_path = "/a", .static_options = {.root = "/b"}}).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("static_options.root is \"/b\"; the directory goes into")));
}

TEST_F(StaticUrlTest, WithoutADirectoryItIsTheProgramsFault) {
  LogCapture log;
  Application app({{"/link", Handler<Link>()}}, {.log_function = nullptr});
  EXPECT_EQ(FakeExchange(app, GetRequest("/link")).status(), 500);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("StaticUrl() needs Settings::static_path")));
}

}  // namespace
}  // namespace squall
