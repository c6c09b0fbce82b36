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

TEST(TracestateTest, WhatIsValidIsPassedOn) {
  for (const char* good :
       {"", "foo=1", "foo=1,bar=2", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a_-*/9@b_-*/9=x",
        "9tenant@system= a b", "foo=\"$%&'()*+-./:;<>?@[]^_`{|}~"}) {
    EXPECT_EQ(ParseTracestate(good), good);
  }
  EXPECT_EQ(ParseTracestate(" foo=1 \t , \t bar=2\t"), "foo=1,bar=2");
  EXPECT_EQ(ParseTracestate(",foo=1,,bar=2, "), "foo=1,bar=2");
  EXPECT_EQ(ParseTracestate("foo=1,bar=2,foo=3"), "foo=1,bar=2");
}

// Of the specification's own tests (test_tracestate_*).
TEST(TracestateTest, WhatIsNotValidIsDropped) {
  const std::vector<std::string> bad = {
      "foo",      "=1",     "foo=",       "foo =1",       "FOO=1",       "foo.bar=1",
      "foo@=1",   "@foo=1", "foo@@bar=1", "foo@b@c=1",    "foo=bar=baz", "foo=\xC3\xA9",
      "foo=a\tb", "9foo=1", "a@9b=1",     "foo=1;bar=2,", "foo=1,,bar",  "_a=1"};
  for (const std::string& field : bad) {
    EXPECT_EQ(ParseTracestate(field), "") << field;
    EXPECT_EQ(ParseTracestate("ok=1," + field), "") << field;
  }
}

TEST(TracestateTest, Bounds) {
  const auto repeat = [](size_t count, char c) { return std::string(count, c); };
  // Of keys and values; alone they are longer than what is passed on.
  EXPECT_EQ(ParseTracestate(repeat(256, 'k') + "=" + repeat(255, 'v')),
            repeat(256, 'k') + "=" + repeat(255, 'v'));
  EXPECT_EQ(ParseTracestate(repeat(257, 'k') + "=v"), "");
  EXPECT_EQ(ParseTracestate(repeat(241, 't') + "@" + repeat(14, 's') + "=v").size(), 258u);
  EXPECT_EQ(ParseTracestate(repeat(242, 't') + "@s=v"), "");
  EXPECT_EQ(ParseTracestate("t@" + repeat(15, 's') + "=v"), "");
  EXPECT_EQ(ParseTracestate("k=" + repeat(256, 'v')).size(), 258u);
  EXPECT_EQ(ParseTracestate("k=" + repeat(257, 'v')), "");
  // Of members.
  std::string members;
  for (int i = 0; i < 32; ++i) absl::StrAppend(&members, i > 0 ? "," : "", "k", i, "=1");
  EXPECT_EQ(ParseTracestate(members), members);
  EXPECT_EQ(ParseTracestate(members + ",one=more"), "");
  // Of the whole: large ones go first, the last of them before the others, then from the end.
  const std::string large = repeat(127, 'v');
  const std::string small = repeat(98, 'v');
  EXPECT_EQ(ParseTracestate(
                absl::StrCat("a=", large, ",b=", small, ",c=", small, ",d=", small, ",e=", large)),
            absl::StrCat("a=", large, ",b=", small, ",c=", small, ",d=", small));
  const std::string five =
      absl::StrCat("a=", small, ",b=", small, ",c=", small, ",d=", small, ",e=", small);
  EXPECT_EQ(five.size(), 504u);
  EXPECT_EQ(ParseTracestate(five), five);
  EXPECT_EQ(ParseTracestate(five + ",f=12345"), five + ",f=12345");
  EXPECT_EQ(ParseTracestate(five + ",f=123456"), five);
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

TEST_F(TraceRequestsTest, TheStateGoesWithItsParentAlone) {
  struct State : RequestHandler {
    void Get() { Write(request().trace().tracestate); }
  };
  Application app({{"/", Handler<State>()}}, {.log_function = nullptr});
  const std::string parent = absl::StrCat("traceparent: ", Field("00", "01"), "\r\n");
  const char* const state = "tracestate: a=1\r\ntracestate:\r\ntracestate: b=2\r\n";
  EXPECT_EQ(FakeExchange(app, GetRequest("/", absl::StrCat(parent, state))).body(), "a=1,b=2");
  EXPECT_EQ(FakeExchange(app, GetRequest("/", state)).body(), "");
  EXPECT_EQ(FakeExchange(app, GetRequest("/", absl::StrCat(parent, "tracestate: A=1\r\n"))).body(),
            "");
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
