#include "squall/web/access_log.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "squall/base/log_capture.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/http_headers.h"

namespace squall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1577934245500);

class AccessLogFormatTest : public testing::Test {
 protected:
  AccessLogFormatTest() {
    headers_.Set("Host", "example.com");
    headers_.Set("Referer", "http://a/\"x\"");
    headers_.Set("User-Agent", "curl/\\7\xE9");
    entry_ = {.status = 200,
              .method = "GET",
              .uri = "/a?b=\"c\"",
              .remote_ip = "127.0.0.1",
              .request_time = absl::Microseconds(1234),
              .version = "HTTP/1.1",
              .body_bytes = 5,
              .user = "al ice",
              .headers = &headers_};
  }
  std::string Line(AccessLogFormat format) { return FormatAccessLogLine(entry_, format, kTime); }

  HttpHeaders headers_;
  AccessLogEntry entry_;
};

TEST_F(AccessLogFormatTest, Common) {
  EXPECT_EQ(Line(AccessLogFormat::kCommon),
            "127.0.0.1 - al\\x20ice [02/Jan/2020:03:04:05 +0000] \"GET /a?b=\\\"c\\\" HTTP/1.1\" "
            "200 5");
}

TEST_F(AccessLogFormatTest, Combined) {
  EXPECT_EQ(Line(AccessLogFormat::kCombined),
            Line(AccessLogFormat::kCommon) + " \"http://a/\\\"x\\\"\" \"curl/\\\\7\\xe9\"");
  entry_.headers = nullptr;
  entry_.user = "";
  EXPECT_THAT(Line(AccessLogFormat::kCombined), testing::StartsWith("127.0.0.1 - - ["));
  EXPECT_THAT(Line(AccessLogFormat::kCombined), testing::EndsWith(" 5 \"-\" \"-\""));
}

TEST_F(AccessLogFormatTest, ARequestThatWasNotUnderstoodIsADash) {
  entry_ = {.status = 400,
            .method = "-",
            .uri = "-",
            .remote_ip = "127.0.0.1",
            .request_time = absl::ZeroDuration(),
            .body_bytes = 17};
  EXPECT_EQ(Line(AccessLogFormat::kCombined),
            "127.0.0.1 - - [02/Jan/2020:03:04:05 +0000] \"-\" 400 17 \"-\" \"-\"");
}

TEST_F(AccessLogFormatTest, JsonIsAscii) {
  // NEL, RIGHT-TO-LEFT OVERRIDE and a character that takes two units of UTF-16.
  entry_.uri = "/\xC2\x85\xE2\x80\xAE\xF0\x9F\x98\x80\xC3\xA9";
  const std::string line = Line(AccessLogFormat::kJson);
  EXPECT_THAT(line, HasSubstr(R"("uri":"/\u0085\u202e\ud83d\ude00\u00e9")"));
  EXPECT_EQ(nlohmann::json::parse(line)["uri"], entry_.uri);
  entry_.uri = "/\x85";  // not UTF-8
  EXPECT_THAT(Line(AccessLogFormat::kJson), HasSubstr(R"("uri":"/\u0085")"));
}

TEST_F(AccessLogFormatTest, Json) {
  entry_.request_id = "abc";
  const auto json = nlohmann::json::parse(Line(AccessLogFormat::kJson));
  EXPECT_EQ(json["time"], "2020-01-02T03:04:05.500Z");
  EXPECT_EQ(json["uri"], "/a?b=\"c\"");
  EXPECT_EQ(json["status"], 200);
  EXPECT_EQ(json["bytes"], 5);
  EXPECT_EQ(json["ms"], 1.234);
  EXPECT_EQ(json["host"], "example.com");
  EXPECT_EQ(json["user"], "al ice");
  EXPECT_EQ(json["user_agent"], "curl/\\7\xC3\xA9");
  EXPECT_EQ(json["request_id"], "abc");
  EXPECT_FALSE(json.contains("trace_id"));
}

TEST_F(AccessLogFormatTest, TornadosHasTheRequestId) {
  EXPECT_EQ(Line(AccessLogFormat::kTornado), "200 GET /a?b=\"c\" (127.0.0.1) 1.23ms");
  entry_.request_id = "abc";
  EXPECT_EQ(Line(AccessLogFormat::kTornado), "200 GET /a?b=\"c\" (127.0.0.1) 1.23ms id=abc");
}

// Log injection (CWE-117): whatever a client sends, the line stays one line, and a quoted field one
// field.
TEST_F(AccessLogFormatTest, NothingForgesALine) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  entry_.method = all;
  entry_.uri = all;
  entry_.user = all;
  entry_.remote_ip = all;
  for (const AccessLogFormat format : {AccessLogFormat::kTornado, AccessLogFormat::kCommon,
                                       AccessLogFormat::kCombined, AccessLogFormat::kJson}) {
    for (const char c : Line(format)) {
      const auto octet = static_cast<unsigned char>(c);
      EXPECT_TRUE(octet >= 0x20 && octet < 0x7F) << Line(format);
    }
  }
  EXPECT_EQ(nlohmann::json::parse(Line(AccessLogFormat::kJson))["uri"].get<std::string>().size(),
            128u + 2 * 128u);
  const std::string common = Line(AccessLogFormat::kCommon);
  int quotes = 0;
  for (size_t i = 0; i < common.size(); ++i) {
    if (common[i] == '\\') {
      ++i;
    } else if (common[i] == '"') {
      ++quotes;
    }
  }
  EXPECT_EQ(quotes, 2) << common;
}

TEST_F(AccessLogFormatTest, FileAndSlowRequests) {
  const std::string path = absl::StrCat(getenv("TEST_TMPDIR"), "/access.log");
  auto log_function = MakeAccessLog(
      {.format = AccessLogFormat::kCommon, .path = path, .slow = absl::Milliseconds(5)});
  ASSERT_THAT(log_function.status(), IsOk());
  LogCapture log;
  (*log_function)(entry_);
  EXPECT_THAT(log.messages(), ElementsAre());
  entry_.request_time = absl::Milliseconds(5);
  (*log_function)(entry_);
  EXPECT_THAT(log.messages(), ElementsAre("W slow request: 200 GET /a?b=\"c\" (127.0.0.1) 5.00ms"));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("\" 200 5\n127.0.0.1 - "));
}

TEST_F(AccessLogFormatTest, WithoutAFileTheProgramsLog) {
  auto log_function = MakeAccessLog({.format = AccessLogFormat::kCommon});
  ASSERT_THAT(log_function.status(), IsOk());
  LogCapture log;
  entry_.status = 404;
  (*log_function)(entry_);
  EXPECT_THAT(log.messages(), ElementsAre(testing::StartsWith("W 127.0.0.1 - al")));
}

TEST(MakeAccessLogTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THAT(MakeAccessLog({.path = "/nonexistent/access.log"}).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nonexistent/access.log")));
}

}  // namespace
}  // namespace squall
