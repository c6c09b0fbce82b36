// Named after Tornado's StaticFileTest where they are ports.
#include "squall/web/static_file_handler.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/web/application.h"
#include "squall/web/content_type_of_file.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/open_file.h"
#include "squall/web/open_file_cache.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

constexpr char kRobots[] = "User-agent: *\nDisallow: /\n";

class StaticFileTest : public testing::Test {
 protected:
  StaticFileTest()
      : base_(std::filesystem::path(getenv("TEST_TMPDIR")) / "static_test"),
        app_(MakeTree(), MakeSettings()) {}
  ~StaticFileTest() override { std::filesystem::remove_all(base_); }

  std::vector<Rule> MakeTree() {
    std::filesystem::remove_all(base_);
    std::filesystem::create_directories(base_ / "static" / "dir");
    std::filesystem::create_directories(base_ / "static2");
    std::ofstream(base_ / "static" / "robots.txt") << kRobots;
    std::ofstream(base_ / "static" / "dir" / "index.html") << "this is the index\n";
    std::ofstream(base_ / "static" / "big.bin") << std::string(3 << 20, 'x');
    std::ofstream(base_ / "static" / "empty") << "";
    std::ofstream(base_ / "static_foo.txt") << "secret\n";
    std::ofstream(base_ / "static2" / "leak.txt") << "x";
    std::filesystem::create_symlink("robots.txt", base_ / "static" / "inside.txt");
    std::filesystem::create_symlink("../static_foo.txt", base_ / "static" / "outside.txt");
    std::filesystem::create_directory_symlink("/", base_ / "static" / "rootlink");
    EXPECT_EQ(::mkfifo((base_ / "static" / "fifo").c_str(), 0600), 0);
    const timespec times[2] = {{1577934245, 0}, {1577934245, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (base_ / "static" / "robots.txt").c_str(), times, 0), 0);
    return {};
  }

  Settings MakeSettings() const {
    Settings settings;
    settings.static_path = base_ / "static";
    settings.static_options.default_filename = "index.html";
    settings.log_function = nullptr;
    return settings;
  }

  int StatusOf(std::string_view target, std::string_view fields = "") {
    FakeExchange exchange(app_, GetRequest(target, fields));
    EXPECT_TRUE(exchange.AwaitAnswer());
    return exchange.status();
  }

  std::filesystem::path base_;
  Application app_;
};

TEST_F(StaticFileTest, StaticFiles) {
  const FakeExchange exchange(app_, GetRequest("/static/robots.txt"));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), kRobots);
  EXPECT_EQ(exchange.header("Content-Type"), "text/plain");
  EXPECT_EQ(exchange.header("Content-Length"), "26");
  EXPECT_EQ(exchange.header("Last-Modified"), "Thu, 02 Jan 2020 03:04:05 GMT");
  EXPECT_EQ(exchange.header("Accept-Ranges"), "bytes");
  EXPECT_TRUE(exchange.has_header("Etag"));
  EXPECT_FALSE(exchange.has_header("Cache-Control"));
  EXPECT_EQ(FakeExchange(app_, GetRequest("/robots.txt")).body(), kRobots);
  EXPECT_EQ(FakeExchange(app_, GetRequest("/static/inside.txt")).body(), kRobots);
  EXPECT_EQ(FakeExchange(app_, GetRequest("/static/empty")).body(), "");
  const FakeExchange versioned(app_, GetRequest("/static/robots.txt?v=1"));
  EXPECT_EQ(versioned.header("Cache-Control"), "max-age=315360000");
  EXPECT_TRUE(versioned.has_header("Expires"));
}

TEST_F(StaticFileTest, TheKernelTakesTheBodyFromTheFile) {
  for (const char* target : {"/static/big.bin", "/static/robots.txt"}) {
    FakeExchange exchange(app_, GetRequest(target));
    EXPECT_TRUE(exchange.from_file()) << target;
    EXPECT_EQ(exchange.body().size(), target == std::string("/static/big.bin")
                                          ? size_t{3} << 20
                                          : std::string_view(kRobots).size());
  }
  FakeExchange part(app_, GetRequest("/static/robots.txt", "Range: bytes=4-9\r\n"));
  EXPECT_TRUE(part.from_file());
  EXPECT_EQ(part.body(), std::string_view(kRobots).substr(4, 6));
  FakeExchange empty(app_, GetRequest("/static/empty"));
  EXPECT_EQ(empty.header("Content-Length"), "0");
  EXPECT_EQ(empty.body(), "");
}

TEST_F(StaticFileTest, CacheControlAndCharsetAreOptions) {
  Settings settings = MakeSettings();
  settings.static_options.cache_control = "max-age=60";
  settings.static_options.charset = "utf-8";
  Application app({}, settings);
  const FakeExchange text(app, GetRequest("/static/robots.txt"));
  EXPECT_EQ(text.header("Cache-Control"), "max-age=60");
  EXPECT_EQ(text.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/big.bin")).header("Content-Type"),
            "application/octet-stream");
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/robots.txt?v=1")).header("Cache-Control"),
            "max-age=315360000");
}

TEST_F(StaticFileTest, ARootThatIsNotThereIsNoSilent404) {
  const LogCapture log;
  Settings settings = MakeSettings();
  settings.static_path = base_ / "none";
  Application app({}, settings);
  const std::string sentence = absl::StrCat(settings.static_path, ": No such file or directory");
  EXPECT_THAT(log.messages(), Contains(HasSubstr("Settings::static_path: " + sentence)));
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/robots.txt")).status(), 500);
  EXPECT_THAT(log.messages(),
              Contains(AllOf(HasSubstr("/static/robots.txt"), HasSubstr(sentence))));
  // Once it is there, all is well.
  std::filesystem::create_directory(base_ / "none");
  std::ofstream(base_ / "none" / "robots.txt") << kRobots;
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/robots.txt")).body(), kRobots);
}

TEST_F(StaticFileTest, WithoutDescriptorsItIs503) {
  const LogCapture log;
  // Of the loop and the library, whatever they are.
  EXPECT_EQ(StatusOf("/static/robots.txt"), 200);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const FakeExchange refused(app_, GetRequest("/static/page.html"));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(refused.status(), 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_THAT(log.messages(), Contains(HasSubstr("Too many open files")));
}

TEST_F(StaticFileTest, PathsOutOfTheRootAre403) {
  for (const char* target :
       {"/static/../static_foo.txt", "/static/..%2fstatic_foo.txt", "/static/../static2/leak.txt",
        "/static//etc/passwd", "/static/%2fetc/passwd", "/static/dir/../../static_foo.txt",
        "/static/outside.txt", "/static/rootlink/etc/passwd", "/static/..", "/static/../"}) {
    EXPECT_EQ(StatusOf(target), 403) << target;
  }
}

TEST_F(StaticFileTest, WhatIsNotThereIs404) {
  for (const char* target :
       {"/static/blarg", "/static/robots.txt%00.png", "/static/robots.txt/x", "/favicon.ico"}) {
    EXPECT_EQ(StatusOf(target), 404) << target;
  }
  EXPECT_EQ(StatusOf(absl::StrCat("/static/", std::string(300, 'a'))), 404);
}

TEST_F(StaticFileTest, WhatIsNoFileIs403) {
  EXPECT_EQ(StatusOf("/static/fifo"), 403);
  Settings settings = MakeSettings();
  settings.static_options.default_filename.clear();
  Application app({}, settings);
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/dir")).status(), 403);
  EXPECT_EQ(FakeExchange(app, GetRequest("/static/")).status(), 403);
}

// StaticDefaultFilenameTest; CVE-2023-28370.
TEST_F(StaticFileTest, DefaultFilename) {
  EXPECT_EQ(FakeExchange(app_, GetRequest("/static/dir/")).body(), "this is the index\n");
  EXPECT_EQ(FakeExchange(app_, GetRequest("/static/dir/")).header("Content-Type"), "text/html");
  const FakeExchange redirect(app_, GetRequest("/static/dir"));
  EXPECT_EQ(redirect.status(), 301);
  EXPECT_EQ(redirect.header("Location"), "/static/dir/");
  EXPECT_EQ(StatusOf("/static/"), 404);
  Settings settings = MakeSettings();
  settings.static_url_prefix = "/";
  Application app({}, settings);
  for (const char* host : {"//evil.com/../dir", "/\\evil.com/../dir"}) {
    EXPECT_EQ(FakeExchange(app, GetRequest(host)).status(), 403) << host;
  }
}

TEST_F(StaticFileTest, ConditionalRequests) {
  const std::string etag = FakeExchange(app_, GetRequest("/static/robots.txt")).header("Etag");
  const auto status = [&](const std::string& fields) {
    return StatusOf("/static/robots.txt", fields);
  };
  EXPECT_EQ(status(absl::StrCat("If-None-Match: ", etag, "\r\n")), 304);
  EXPECT_EQ(status(absl::StrCat("If-None-Match: \"a\", W/", etag, "\r\n")), 304);
  EXPECT_EQ(status("If-None-Match: \"other\"\r\n"), 200);
  EXPECT_EQ(status("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\n"), 304);
  EXPECT_EQ(status("If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT\r\n"), 200);
  EXPECT_EQ(status("If-Modified-Since: !nv@l!d\r\n"), 200);
  EXPECT_EQ(status("If-Modified-Since: Fri, 01 Jan 1960 00:00:00 GMT\r\n"), 200);
  // With If-None-Match the date does not count.
  EXPECT_EQ(status("If-None-Match: \"other\"\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 "
                   "GMT\r\n"),
            200);
}

TEST_F(StaticFileTest, Ranges) {
  struct Case {
    const char* range;
    int status;
    const char* content_range;
    std::string body;
  };
  const std::string all = kRobots;
  const Case cases[] = {
      {"bytes=0-9", 206, "bytes 0-9/26", all.substr(0, 10)},
      {"bytes=22-", 206, "bytes 22-25/26", all.substr(22)},
      {"bytes=-4", 206, "bytes 22-25/26", all.substr(22)},
      {"bytes=22-1000000", 206, "bytes 22-25/26", all.substr(22)},
      {"bytes=0-", 200, "", all},
      {"bytes=0-25", 200, "", all},
      {"bytes=-1000000", 200, "", all},
      {"bytes=1-2,6-10", 200, "", all},
      {"asdf", 200, "", all},
      {"bytes=26", 416, "bytes */26", ""},
      {"bytes=26-", 416, "bytes */26", ""},
      {"bytes=10-3", 416, "bytes */26", ""},
      {"bytes=-0", 416, "bytes */26", ""},
      {"bytes=99999999999999999999-", 416, "bytes */26", ""},
      {"Bytes=22-99999999999999999999", 206, "bytes 22-25/26", all.substr(22)},
      {"bytes=-99999999999999999999", 200, "", all},
      {"bytes=0-3\r\nRange: bytes=5-6", 200, "", all},
  };
  for (const Case& c : cases) {
    const FakeExchange exchange(
        app_, GetRequest("/static/robots.txt", absl::StrCat("Range: ", c.range, "\r\n")));
    EXPECT_EQ(exchange.status(), c.status) << c.range;
    EXPECT_EQ(exchange.header("Content-Range"), c.content_range) << c.range;
    EXPECT_EQ(exchange.body(), c.body) << c.range;
  }
}

TEST_F(StaticFileTest, IfRange) {
  const std::string etag = FakeExchange(app_, GetRequest("/static/robots.txt")).header("Etag");
  const auto status = [&](const std::string& condition) {
    return StatusOf("/static/robots.txt",
                    absl::StrCat("Range: bytes=0-1\r\nIf-Range: ", condition, "\r\n"));
  };
  EXPECT_EQ(status(etag), 206);
  EXPECT_EQ(status(absl::StrCat("W/", etag)), 200);
  EXPECT_EQ(status("\"other\""), 200);
  EXPECT_EQ(status("Thu, 02 Jan 2020 03:04:05 GMT"), 206);
  EXPECT_EQ(status("Thu, 02 Jan 2020 03:04:06 GMT"), 200);
  EXPECT_EQ(status(absl::StrCat(etag, "\r\nIf-Range: \"other\"")), 200);
}

TEST_F(StaticFileTest, HeadHasTheLengthAndOtherMethodsAre405) {
  const FakeExchange head(app_, "HEAD /static/robots.txt HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(head.status(), 200);
  EXPECT_EQ(head.header("Content-Length"), "26");
  const FakeExchange part(
      app_, "HEAD /static/robots.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=999-\r\n\r\n");
  EXPECT_EQ(part.status(), 200);
  EXPECT_EQ(part.header("Content-Length"), "26");
  const FakeExchange post(app_, BodyRequest("POST", "/static/robots.txt", "", ""));
  EXPECT_EQ(post.status(), 405);
  EXPECT_EQ(post.header("Allow"), "GET, HEAD");
}

TEST_F(StaticFileTest, IfMatchAndIfUnmodifiedSince) {
  const std::string etag = FakeExchange(app_, GetRequest("/static/robots.txt")).header("Etag");
  EXPECT_EQ(StatusOf("/static/robots.txt", "If-Match: " + etag + "\r\n"), 200);
  EXPECT_EQ(StatusOf("/static/robots.txt", "If-Match: \"other\"\r\n"), 412);
  EXPECT_EQ(
      StatusOf("/static/robots.txt", "If-Unmodified-Since: Wed, 01 Jan 2020 00:00:00 GMT\r\n"),
      412);
}

TEST_F(StaticFileTest, TagAndBodyAreOfTheFileThatIsThereNow) {
  const auto get = [this] { return FakeExchange(app_, GetRequest("/static/page.txt")); };
  const auto write = [this](const char* name, const char* text) {
    std::ofstream(base_ / "static" / name) << text;
  };
  write("page.txt", "first");
  const std::string first = get().header("Etag");
  EXPECT_EQ(get().header("Etag"), first);
  EXPECT_EQ(get().body(), "first");
  write("next.txt", "the second");
  std::filesystem::rename(base_ / "static" / "next.txt", base_ / "static" / "page.txt");
  const FakeExchange second = get();
  EXPECT_EQ(second.body(), "the second");
  EXPECT_NE(second.header("Etag"), first);
  EXPECT_EQ(StatusOf("/static/page.txt", "If-None-Match: " + first + "\r\n"), 200);
  write("page.txt", "3rd");
  EXPECT_EQ(get().body(), "3rd");
  EXPECT_EQ(get().header("Content-Length"), "3");
  std::filesystem::remove(base_ / "static" / "page.txt");
  EXPECT_EQ(StatusOf("/static/page.txt"), 404);
}

TEST_F(StaticFileTest, TheRoutesOfAnApplicationShareTheirOpenFiles) {
  const auto cache = std::make_shared<OpenFileCache>();
  const StaticFileOptions options{.root = base_ / "static", .open_files = cache};
  Application app({{"/a/(.*)", Handler<StaticFileHandler>(options)},
                   {"/b/(.*)", Handler<StaticFileHandler>(options)},
                   {"/c/(.*)", Handler<StaticFileHandler>(StaticFileOptions{
                                   .root = base_ / "static", .open_files = nullptr})}},
                  {.log_function = nullptr});
  for (const char* path : {"/a/robots.txt", "/b/robots.txt", "/a/robots.txt", "/c/robots.txt"}) {
    EXPECT_EQ(FakeExchange(app, GetRequest(path)).body(), kRobots) << path;
  }
  EXPECT_EQ(cache->opened(), 1u);
}

TEST_F(StaticFileTest, SymbolicLinksByOption) {
  const auto status = [this](StaticFileOptions::Links links, const char* path) {
    Application app({{"/(.*)", Handler<StaticFileHandler>(
                                   StaticFileOptions{.root = base_ / "static", .links = links})}},
                    {.log_function = nullptr});
    return FakeExchange(app, GetRequest(path)).status();
  };
  using Links = StaticFileOptions::Links;
  EXPECT_EQ(status(Links::kWithinRoot, "/inside.txt"), 200);
  EXPECT_EQ(status(Links::kWithinRoot, "/outside.txt"), 403);
  EXPECT_EQ(status(Links::kNone, "/inside.txt"), 403);
  EXPECT_EQ(status(Links::kNone, "/robots.txt"), 200);
  EXPECT_EQ(status(Links::kAnywhere, "/outside.txt"), 200);
  EXPECT_EQ(status(Links::kAnywhere, "/../static_foo.txt"), 403);
}

TEST_F(StaticFileTest, ListsADirectoryWhenAsked) {
  std::ofstream(base_ / "static" / ".hidden") << "x";
  std::ofstream(base_ / "static" / "<script>&'\"") << "x";
  std::ofstream(base_ / "static" / "javascript:x") << "x";
  Application app({{"/files/(.*)",
                    Handler<StaticFileHandler>(StaticFileOptions{.root = base_ / "static",
                                                                 .default_filename = "index.html",
                                                                 .list_directories = true})}},
                  {.log_function = nullptr});
  const FakeExchange top(app, GetRequest("/files/"));
  EXPECT_EQ(top.status(), 200);
  const std::string& page = top.body();
  EXPECT_NE(page.find("<a href=\"./robots.txt\">robots.txt</a> 2020-01-02 03:04 26"),
            std::string::npos)
      << page;
  EXPECT_LT(page.find("./dir/"), page.find("./big.bin"));
  EXPECT_EQ(page.find(".hidden"), std::string::npos);
  EXPECT_EQ(page.find("fifo"), std::string::npos);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_NE(page.find("<a href=\"./%3Cscript%3E%26%27%22\">&lt;script&gt;&amp;&#39;&quot;</a>"),
            std::string::npos)
      << page;
  EXPECT_EQ(page.find("href=\"javascript"), std::string::npos);
  EXPECT_EQ(top.header("Content-Security-Policy"), "default-src 'none'");
  // The default file counts more; without the slash the client is redirected.
  EXPECT_EQ(FakeExchange(app, GetRequest("/files/dir/")).body(), "this is the index\n");
  EXPECT_EQ(FakeExchange(app, GetRequest("/files/dir")).status(), 301);
  EXPECT_EQ(FakeExchange(app, GetRequest("/files/../")).status(), 403);
}

TEST(NormalizeRelativePathTest, DotsAndSlashes) {
  using internal::NormalizeRelativePath;
  EXPECT_THAT(NormalizeRelativePath("a/./b//c/"), IsOkAndHolds("a/b/c"));
  EXPECT_THAT(NormalizeRelativePath("a/../b"), IsOkAndHolds("b"));
  EXPECT_THAT(NormalizeRelativePath(""), IsOkAndHolds(""));
  EXPECT_THAT(NormalizeRelativePath("a..b"), IsOkAndHolds("a..b"));
  for (const char* bad : {"..", "/a", "a/../../b", "../a"}) {
    EXPECT_THAT(NormalizeRelativePath(bad), StatusIs(absl::StatusCode::kPermissionDenied)) << bad;
  }
}

}  // namespace
}  // namespace squall
