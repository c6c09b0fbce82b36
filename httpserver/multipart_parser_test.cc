#include "squall/httpserver/multipart_parser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/http_headers.h"
#include "squall/httpserver/multipart_files.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// Parts and their content as one text: "name=content;".
class Told : public MultipartParser::Sink {
 public:
  absl::Status OnPartBegin(const MultipartPart& part) override {
    absl::StrAppend(&text, part.name, part.filename.empty() ? "" : "@", part.filename, "=");
    return refuse == part.name ? absl::PermissionDeniedError("not that one") : absl::OkStatus();
  }
  absl::Status OnPartData(std::string_view data) override {
    largest = std::max(largest, data.size());
    text.append(data);
    return absl::OkStatus();
  }
  absl::Status OnPartEnd() override {
    text.push_back(';');
    return absl::OkStatus();
  }
  std::string text;
  std::string refuse;
  size_t largest = 0;
};

std::string Part(std::string_view disposition, std::string_view content) {
  return "--1234\r\nContent-Disposition: form-data; " + std::string(disposition) + "\r\n\r\n" +
         std::string(content) + "\r\n";
}

absl::Status Feed(MultipartParser& parser, std::string_view body, size_t piece) {
  while (!body.empty()) {
    if (absl::Status status = parser.Feed(body.substr(0, piece)); !status.ok()) return status;
    body.remove_prefix(std::min(piece, body.size()));
  }
  return parser.Finish();
}

TEST(MultipartParserTest, AnyCutGivesTheSame) {
  const std::string body = Part("name=a", "1") +
                           Part("name=f; filename=\"x.txt\"", "\r\n--123\r\n--1234x\r\n") +
                           Part("name=empty", "") + "--1234--\r\nignored";
  for (size_t piece = 1; piece <= body.size(); ++piece) {
    Told told;
    MultipartParser parser("1234", told);
    EXPECT_THAT(Feed(parser, body, piece), IsOk()) << piece;
    EXPECT_EQ(told.text, "a=1;f@x.txt=\r\n--123\r\n--1234x\r\n;empty=;") << piece;
  }
}

TEST(MultipartParserTest, ContentIsToldAsItComes) {
  Told told;
  MultipartParser parser("1234", told);
  ASSERT_THAT(parser.Feed("--1234\r\nContent-Disposition: form-data; name=a\r\n\r\n"), IsOk());
  for (int i = 0; i < 1000; ++i) ASSERT_THAT(parser.Feed(std::string(1000, 'x')), IsOk());
  // All but what may be the beginning of a delimiter.
  EXPECT_GE(told.text.size(), 1'000'000u - 20);
  EXPECT_LE(told.largest, 1100u);
  EXPECT_THAT(parser.Feed("\r\n--1234--"), IsOk());
  EXPECT_EQ(told.text.size(), 1'000'003u);
  EXPECT_THAT(parser.Finish(), IsOk());
}

absl::Status Error(std::string_view body, const MultipartLimits& limits = {}) {
  Told told;
  MultipartParser parser("1234", told, limits);
  const absl::Status status = Feed(parser, body, 7);
  EXPECT_EQ(parser.Feed("--1234--"), status);
  return status;
}

TEST(MultipartParserTest, WhatIsMalformed) {
  for (const std::string& body :
       {std::string(), std::string("--1234"), std::string("x--1234--"), Part("name=a", "1"),
        Part("nam=a", "1") + "--1234--", std::string("--1234x--"),
        std::string("--1234\r\n\r\n1\r\n--1234--"), std::string("--1234\r\nX: y\r\n--1234--"),
        std::string("--1234\r\nContent-Disposition: form-data; name=a\r\n\r\n--1234--")}) {
    EXPECT_THAT(Error(body), StatusIs(absl::StatusCode::kInvalidArgument)) << body;
  }
  Told told;
  MultipartParser no_boundary("", told);
  EXPECT_THAT(no_boundary.Feed("x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

// CVE-2026-31958: a body of very many parts, each with its allocations.
TEST(MultipartParserTest, PartsHaveALimit) {
  std::string body;
  for (int i = 0; i < 99; ++i) body += Part("name=a", "1");
  EXPECT_THAT(Error(body + "--1234--"), IsOk());
  EXPECT_THAT(Error(body + Part("name=a", "1") + "--1234--"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many parts")));
}

TEST(MultipartParserTest, HeadersAndContentsHaveALimit) {
  const std::string body = Part("name=a", std::string(100, 'x')) + "--1234--";
  EXPECT_THAT(Error(body, {.form = {.max_part_header_size = 38}}), IsOk());
  EXPECT_THAT(Error(body, {.form = {.max_part_header_size = 37}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too large")));
  EXPECT_THAT(Error("--1234\r\n" + std::string(20'000, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too large")));
  EXPECT_THAT(Error(body, {.max_part_size = 100}), IsOk());
  EXPECT_THAT(Error(body, {.max_part_size = 99}), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(MultipartParserTest, TheSinkMayEndIt) {
  Told told;
  told.refuse = "b";
  MultipartParser parser("1234", told);
  EXPECT_THAT(Feed(parser, Part("name=a", "1") + Part("name=b", "2") + Part("name=c", "3"), 5),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(told.text, "a=1;b=");
}

TEST(MultipartParserTest, CreateReadsTheBoundary) {
  const auto create = [](const char* type, const char* encoding = nullptr) {
    HttpHeaders headers;
    headers.Set("Content-Type", type);
    if (encoding != nullptr) headers.Set("Content-Encoding", encoding);
    static Told told;
    return MultipartParser::Create(headers, told).status();
  };
  EXPECT_THAT(create("multipart/form-data; boundary=\"x y\""), IsOk());
  EXPECT_FALSE(create("multipart/form-data").ok());
  EXPECT_FALSE(create("multipart/form-data; boundary=x", "gzip").ok());
  EXPECT_THAT(create("text/plain"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"text/plain\"")));
}

// ---- MultipartFiles.

class MultipartFilesTest : public testing::Test {
 protected:
  MultipartFilesTest() : directory_(std::filesystem::path(getenv("TEST_TMPDIR")) / "uploads") {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~MultipartFilesTest() override { std::filesystem::remove_all(directory_); }

  size_t Entries() const {
    return std::distance(std::filesystem::directory_iterator(directory_), {});
  }
  static std::string Read(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::filesystem::path directory_;
};

TEST_F(MultipartFilesTest, FieldsInMemoryFilesWithoutANameUntilKept) {
  MultipartFiles form({.directory = directory_});
  MultipartParser parser("1234", form);
  const std::string large(200'000, 'x');
  ASSERT_THAT(Feed(parser,
                   Part("name=a", "1") + Part("name=f; filename=\"../evil\"", large) +
                       Part("name=b", "2") + "--1234--",
                   1000),
              IsOk());
  EXPECT_THAT(form.fields(), ElementsAre(Pair("a", "1"), Pair("b", "2")));
  ASSERT_EQ(form.files().size(), 1u);
  const UploadedFile& file = form.files()[0];
  EXPECT_EQ(file.name, "f");
  EXPECT_EQ(file.filename, "../evil");
  EXPECT_EQ(file.size, large.size());
  EXPECT_EQ(Entries(), 0u);
  const std::string path = directory_ / "kept";
  ASSERT_THAT(file.Keep(path), IsOk());
  EXPECT_EQ(Read(path), large);
  struct stat stat = {};
  ASSERT_EQ(::stat(path.c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 0777, 0600u);
  EXPECT_THAT(file.Keep(path), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(MultipartFilesTest, KeepCopiesToAnotherFileSystem) {
  MultipartFiles form({.directory = "/dev/shm"});
  MultipartParser parser("1234", form);
  ASSERT_THAT(Feed(parser, Part("name=f; filename=x", "content") + "--1234--", 9), IsOk());
  const std::string path = directory_ / "copied";
  ASSERT_THAT(form.files()[0].Keep(path), IsOk());
  EXPECT_EQ(Read(path), "content");
  EXPECT_FALSE(form.files()[0].Keep(directory_ / "none" / "x").ok());
}

TEST_F(MultipartFilesTest, FieldsTogetherHaveALimit) {
  MultipartFiles form({.directory = directory_, .max_field_size = 10});
  MultipartParser parser("1234", form);
  EXPECT_THAT(Feed(parser, Part("name=a", "123456") + Part("name=b", "12345") + "--1234--", 100),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("10 octets")));
}

TEST_F(MultipartFilesTest, OpenFilesHaveALimit) {
  MultipartFiles form({.directory = directory_, .max_files = 2});
  MultipartParser parser("1234", form);
  const std::string part = Part("name=f; filename=x", "");
  EXPECT_THAT(Feed(parser, part + part + part + "--1234--", 100),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("2 files")));
  EXPECT_EQ(form.files().size(), 2u);
}

TEST_F(MultipartFilesTest, ADirectoryThatIsNotThereIsAnError) {
  MultipartFiles form({.directory = directory_ / "none"});
  MultipartParser parser("1234", form);
  EXPECT_THAT(Feed(parser, Part("name=f; filename=x", "1") + "--1234--", 100),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("uploads/none")));
}

}  // namespace
}  // namespace squall
