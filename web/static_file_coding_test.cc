// Files with a content coding: compressed on their way, or before, by a neighbour of theirs.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/gunzip.h"
#include "squall/web/settings.h"
#include "squall/web/static_file_handler.h"

namespace squall {
namespace {

constexpr char kRobots[] = "User-agent: *\nDisallow: /\n";

class StaticFileCodingTest : public testing::Test {
 protected:
  StaticFileCodingTest()
      : base_(std::filesystem::path(getenv("TEST_TMPDIR")) / "static_coding_test"),
        root_(base_ / "static") {
    std::filesystem::remove_all(base_);
    std::filesystem::create_directories(root_);
    std::ofstream(root_ / "robots.txt") << kRobots;
    std::ofstream(root_ / "big.bin") << std::string(3 << 20, 'x');
    std::ofstream(base_ / "secret.txt") << "secret\n";
  }
  ~StaticFileCodingTest() override { std::filesystem::remove_all(base_); }

  Settings MakeSettings() const {
    Settings settings;
    settings.static_path = root_;
    settings.log_function = nullptr;
    return settings;
  }

  std::filesystem::path base_;
  std::filesystem::path root_;
};

TEST_F(StaticFileCodingTest, CompressedFilesLeaveInPiecesAndOthersFromTheFile) {
  std::ofstream(root_ / "big.txt") << std::string(3 << 20, 'x');
  Settings settings = MakeSettings();
  settings.compress_response = true;
  Application app({}, settings);
  FakeExchange text(app, GetRequest("/static/big.txt", "Accept-Encoding: gzip\r\n"));
  ASSERT_TRUE(text.AwaitAnswer());
  EXPECT_FALSE(text.from_file());
  EXPECT_EQ(text.header("Content-Encoding"), "gzip");
  EXPECT_EQ(text.writes(), 3 * 16);
  // HEAD has the fields of GET.
  std::string head = GetRequest("/static/big.txt", "Accept-Encoding: gzip\r\n");
  const FakeExchange fields(app, head.replace(0, 3, "HEAD"));
  EXPECT_EQ(fields.header("Content-Encoding"), "gzip");
  EXPECT_FALSE(fields.has_header("Content-Length"));
  EXPECT_EQ(fields.header("Etag"), text.header("Etag"));
  EXPECT_LT(text.body().size(), size_t{3} << 14);
  for (const char* fields : {"", "Accept-Encoding: br\r\n"}) {
    FakeExchange plain(app, GetRequest("/static/big.txt", fields));
    EXPECT_TRUE(plain.from_file()) << fields;
    EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");
  }
  FakeExchange binary(app, GetRequest("/static/big.bin", "Accept-Encoding: gzip\r\n"));
  EXPECT_TRUE(binary.from_file());
  EXPECT_EQ(binary.body(), std::string(3 << 20, 'x'));
  FakeExchange part(
      app, GetRequest("/static/big.txt", "Accept-Encoding: gzip\r\nRange: bytes=0-99999\r\n"));
  EXPECT_TRUE(part.from_file());
  EXPECT_EQ(part.header("Content-Length"), "100000");
  const FakeExchange known(
      app, GetRequest("/static/big.txt", absl::StrCat("Accept-Encoding: gzip\r\nIf-None-Match: ",
                                                      text.header("Etag"), "\r\n")));
  EXPECT_EQ(known.status(), 304);
  EXPECT_EQ(known.header("Vary"), "Accept-Encoding");
  // The tag of the 200, RFC 9110 15.4.5.
  EXPECT_EQ(known.header("Etag"), text.header("Etag"));
  const FakeExchange plain(app, GetRequest("/static/big.txt"));
  const FakeExchange known_plain(
      app,
      GetRequest("/static/big.txt", absl::StrCat("If-None-Match: ", plain.header("Etag"), "\r\n")));
  EXPECT_EQ(known_plain.status(), 304);
  EXPECT_EQ(known_plain.header("Etag"), plain.header("Etag"));
}

// GzipTestCase.test_gzip_static: a streamed body has no least length.
TEST_F(StaticFileCodingTest, SmallFilesAreCompressedToo) {
  Settings settings = MakeSettings();
  settings.compress_response = true;
  Application app({}, settings);
  const std::string accept = "Accept-Encoding: gzip\r\n";
  FakeExchange small(app, GetRequest("/static/robots.txt", accept));
  ASSERT_TRUE(small.AwaitAnswer());
  EXPECT_EQ(small.header("Content-Encoding"), "gzip");
  EXPECT_EQ(small.header("Vary"), "Accept-Encoding");
  EXPECT_FALSE(small.has_header("Content-Length"));
  EXPECT_TRUE(small.header("Etag").starts_with("W/")) << small.header("Etag");
  EXPECT_EQ(Gunzip(small.body()), kRobots);
  const FakeExchange head(app, "HEAD /static/robots.txt HTTP/1.1\r\nHost: a\r\n" + accept + "\r\n");
  EXPECT_EQ(head.header("Content-Encoding"), "gzip");
  EXPECT_EQ(head.header("Vary"), "Accept-Encoding");
  EXPECT_FALSE(head.has_header("Content-Length"));
  EXPECT_EQ(head.header("Etag"), small.header("Etag"));
  const FakeExchange known(
      app, GetRequest("/static/robots.txt",
                      absl::StrCat(accept, "If-None-Match: ", small.header("Etag"), "\r\n")));
  EXPECT_EQ(known.status(), 304);
  EXPECT_EQ(known.header("Vary"), "Accept-Encoding");
  EXPECT_EQ(known.header("Etag"), small.header("Etag"));
  // Nothing to stream.
  std::ofstream(root_ / "empty.txt") << "";
  for (const std::string method : {"GET", "HEAD"}) {
    const FakeExchange empty(
        app, method + " /static/empty.txt HTTP/1.1\r\nHost: a\r\n" + accept + "\r\n");
    EXPECT_FALSE(empty.has_header("Content-Encoding")) << method;
    EXPECT_EQ(empty.header("Content-Length"), "0") << method;
  }
}

TEST_F(StaticFileCodingTest, Precompressed) {
  const auto write = [this](const char* name, const char* text) {
    std::ofstream(root_ / name) << text;
  };
  write("a.css.gz", "gzip");
  write("a.css.br", "brotli");
  write("a.css", "plain");
  Application app({{"/(.*)", Handler<StaticFileHandler>(
                                 StaticFileOptions{.root = root_, .precompressed = true})}},
                  {.log_function = nullptr});
  const auto get = [&](const std::string& accept) {
    return FakeExchange(app, GetRequest("/a.css", "Accept-Encoding: " + accept + "\r\n")).body();
  };
  const FakeExchange plain(app, GetRequest("/a.css"));
  EXPECT_EQ(plain.body(), "plain");
  EXPECT_EQ(plain.header("Vary"), "Accept-Encoding");
  EXPECT_FALSE(plain.has_header("Content-Encoding"));
  const FakeExchange brotli(app, GetRequest("/a.css", "Accept-Encoding: gzip, br\r\n"));
  EXPECT_EQ(brotli.body(), "brotli");
  EXPECT_EQ(brotli.header("Content-Encoding"), "br");
  EXPECT_EQ(brotli.header("Content-Type"), "text/css");
  EXPECT_EQ(brotli.header("Content-Length"), "6");
  EXPECT_NE(brotli.header("Etag"), plain.header("Etag"));
  EXPECT_EQ(get("gzip, br;q=0.5"), "gzip");
  EXPECT_EQ(get("br;q=0, gzip;q=0"), "plain");
  EXPECT_EQ(get("identity, gzip;q=0.5"), "plain");
  EXPECT_EQ(get("identity;q=0.5, gzip;q=0.5"), "gzip");
  EXPECT_EQ(get("zstd"), "plain");
  EXPECT_EQ(get("*"), "brotli");
  // Older than what it was made of.
  const timespec times[2] = {{1577934245, 0}, {1577934245, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ / "a.css.br").c_str(), times, 0), 0);
  EXPECT_EQ(get("br"), "plain");
  // The neighbour must not lead out of the root either.
  std::filesystem::remove(root_ / "a.css.gz");
  std::filesystem::create_symlink("../secret.txt", root_ / "a.css.gz");
  EXPECT_EQ(get("gzip"), "plain");
}

TEST_F(StaticFileCodingTest, ARangeThatIsNotThereSaysNothingOfTheFile) {
  std::ofstream(root_ / "a.css") << "plain";
  std::ofstream(root_ / "a.css.gz") << "gzip";
  Application app({{"/(.*)", Handler<StaticFileHandler>(
                                 StaticFileOptions{.root = root_, .precompressed = true})}},
                  {.log_function = nullptr});
  const std::string accept = "Accept-Encoding: gzip\r\n";
  const FakeExchange whole(app, GetRequest("/a.css?v=1", accept));
  const FakeExchange none(app, GetRequest("/a.css?v=1", accept + "Range: bytes=999999-\r\n"));
  EXPECT_EQ(none.status(), 416);
  for (const char* name :
       {"Cache-Control", "Content-Encoding", "Etag", "Expires", "Last-Modified"}) {
    EXPECT_TRUE(whole.has_header(name)) << name;
    EXPECT_FALSE(none.has_header(name)) << name;
  }
  EXPECT_EQ(none.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(none.header("Content-Range"), "bytes */4");
  EXPECT_EQ(none.header("Vary"), "Accept-Encoding");
}

}  // namespace
}  // namespace squall
