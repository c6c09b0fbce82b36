#include "squall/web/trace_context.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/web/access_log.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::MatchesRegex;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpan[] = "00f067aa0ba902b7";

std::string Field(const std::string& version, const std::string& end) {
  return absl::StrCat(version, "-", kTrace, "-", kSpan, "-", end);
}

TEST(TraceparentTest, TheSpecificationsExample) {
  const std::optional<TraceContext> trace = ParseTraceparent(Field("00", "01"));
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->trace_id, kTrace);
  EXPECT_EQ(trace->span_id, kSpan);
  EXPECT_EQ(trace->flags, 1);
  EXPECT_EQ(trace->Traceparent(), Field("00", "01"));
}

TEST(TraceparentTest, WhatIsNotValid) {
  const std::vector<std::string> bad = {
      "",
      "00",
      Field("00", "01") + "-x",
      Field("ff", "01"),
      Field("0g", "01"),
      Field("00", "0G"),
      Field("00", "0"),
      Field("01", "01") + ".x",
      absl::StrCat("00-", std::string(32, '0'), "-", kSpan, "-01"),
      absl::StrCat("00-", kTrace, "-", std::string(16, '0'), "-01"),
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
      " " + Field("00", "01"),
  };
  for (const std::string& field : bad) EXPECT_FALSE(ParseTraceparent(field).has_value()) << field;
}

TEST(TraceparentTest, LaterVersionsAreReadAsFarAsKnown) {
  EXPECT_TRUE(ParseTraceparent(Field("cc", "01")).has_value());
  EXPECT_TRUE(ParseTraceparent(Field("cc", "01") + "-what-the-future-brings").has_value());
}

TEST(TraceContextTest, ChildKeepsTheTrace) {
  const TraceContext parent = *ParseTraceparent(Field("00", "ff"));
  const TraceContext child = parent.Child();
  EXPECT_EQ(child.trace_id, kTrace);
  EXPECT_EQ(child.parent_id, kSpan);
  EXPECT_NE(child.span_id, kSpan);
  EXPECT_EQ(child.flags, 1);  // the others may mean anything
  EXPECT_TRUE(ParseTraceparent(child.Traceparent()).has_value());
  EXPECT_TRUE(ParseTraceparent(TraceContext::New().Traceparent()).has_value());
  EXPECT_NE(TraceContext::New().trace_id, TraceContext::New().trace_id);
}

TEST(RequestIdTest, OnlyWhatIsHarmlessEverywhere) {
  for (const char* good : {"a", "f4c3-1", "A.b_c~d+e/f=g:h@i"}) {
    EXPECT_TRUE(IsValidRequestId(good)) << good;
  }
  EXPECT_TRUE(IsValidRequestId(std::string(128, 'x')));
  for (const char* bad : {"", "a b", "a\nb", "a\"b", "a\\b", "<b>", "\xC3\xA9", "a;b", "a,b"}) {
    EXPECT_FALSE(IsValidRequestId(bad)) << bad;
  }
  EXPECT_FALSE(IsValidRequestId(std::string(129, 'x')));
}

struct Traced : RequestHandler {
  void Get() { Write(absl::StrCat(request().id(), " ", request().trace().Traceparent())); }
};

class TraceRequestsTest : public testing::Test {
 protected:
  Settings MakeSettings() {
    Settings settings;
    settings.trace_requests = true;
    settings.log_function = [this](const AccessLogEntry& entry) {
      logged_ = absl::StrCat(std::string(entry.request_id), " ", std::string(entry.trace_id), " ",
                             std::string(entry.span_id));
    };
    return settings;
  }

  std::string logged_;
  Application app_{{{"/", Handler<Traced>()}}, MakeSettings()};
};

TEST_F(TraceRequestsTest, ValidIdsAreKept) {
  const FakeExchange exchange(
      app_, GetRequest("/", absl::StrCat("X-Request-ID: abc-1\r\ntraceparent: ", Field("00", "01"),
                                         "\r\n")));
  EXPECT_EQ(exchange.header("X-Request-ID"), "abc-1");
  const std::string span = exchange.body().substr(6 + 36, 16);
  EXPECT_EQ(exchange.body(), absl::StrCat("abc-1 00-", kTrace, "-", span, "-01"));
  EXPECT_NE(span, kSpan);
  EXPECT_EQ(logged_, absl::StrCat("abc-1 ", kTrace, " ", span));
}

TEST_F(TraceRequestsTest, OthersAreMade) {
  const FakeExchange exchange(app_,
                              GetRequest("/", "X-Request-ID: a b\r\ntraceparent: 00-x-y-01\r\n"));
  EXPECT_THAT(exchange.header("X-Request-ID"), MatchesRegex("[0-9a-f]{32}"));
  EXPECT_THAT(logged_, MatchesRegex("[0-9a-f]{32} [0-9a-f]{32} [0-9a-f]{16}"));
}

TEST_F(TraceRequestsTest, ErrorPagesHaveTheId) {
  EXPECT_EQ(FakeExchange(app_, GetRequest("/none", "X-Request-ID: abc\r\n")).header("X-Request-ID"),
            "abc");
}

TEST(TraceRequestsOffTest, NothingIsSent) {
  Application app({{"/", Handler<Traced>()}}, {.log_function = nullptr});
  const FakeExchange exchange(app, GetRequest("/", "X-Request-ID: abc\r\n"));
  EXPECT_FALSE(exchange.has_header("X-Request-ID"));
  EXPECT_EQ(exchange.body().substr(0, 4), "abc ");
}

}  // namespace
}  // namespace squall
