#include "squall/web/conditional.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_headers.h"
#include "squall/web/application.h"
#include "squall/web/etag.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

constexpr char kBefore[] = "Wed, 01 Jan 2020 00:00:00 GMT";
constexpr char kThen[] = "Thu, 02 Jan 2020 03:04:05 GMT";
constexpr char kLater[] = "Fri, 03 Jan 2020 00:00:00 GMT";
// A file system's clock is finer than a field's.
const Validators kPresent = {.etag = "\"x\"", .last_modified = absl::FromUnixMillis(1577934245500)};

Precondition Evaluate(std::string_view method,
                      std::initializer_list<std::pair<const char*, const char*>> fields,
                      const Validators& present = kPresent) {
  HttpHeaders headers;
  for (const auto& [name, value] : fields) EXPECT_TRUE(headers.Add(name, value));
  return EvaluatePreconditions(method, headers, present);
}

TEST(PreconditionTest, IfMatchComparesStrongly) {
  for (const char* method : {"GET", "PUT"}) {
    EXPECT_EQ(Evaluate(method, {{"If-Match", "\"x\""}}), Precondition::kHolds);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "\"a\", \"x\""}}), Precondition::kHolds);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "*"}}), Precondition::kHolds);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "\"y\""}}), Precondition::kFailed);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "W/\"x\""}}), Precondition::kFailed);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "\"x\""}}, {.etag = "W/\"x\""}),
              Precondition::kFailed);
    EXPECT_EQ(Evaluate(method, {{"If-Match", "*"}}, {}), Precondition::kFailed);
  }
}

TEST(PreconditionTest, IfUnmodifiedSince) {
  EXPECT_EQ(Evaluate("PUT", {{"If-Unmodified-Since", kBefore}}), Precondition::kFailed);
  EXPECT_EQ(Evaluate("PUT", {{"If-Unmodified-Since", kThen}}), Precondition::kHolds);
  EXPECT_EQ(Evaluate("PUT", {{"If-Unmodified-Since", "yesterday"}}), Precondition::kHolds);
  // RFC 9110 13.1.4: not with If-Match.
  EXPECT_EQ(Evaluate("PUT", {{"If-Match", "\"x\""}, {"If-Unmodified-Since", kBefore}}),
            Precondition::kHolds);
}

TEST(PreconditionTest, IfNoneMatch) {
  EXPECT_EQ(Evaluate("GET", {{"If-None-Match", "W/\"x\""}}), Precondition::kNotModified);
  EXPECT_EQ(Evaluate("HEAD", {{"If-None-Match", "*"}}), Precondition::kNotModified);
  EXPECT_EQ(Evaluate("GET", {{"If-None-Match", "\"y\""}}), Precondition::kHolds);
  EXPECT_EQ(Evaluate("PUT", {{"If-None-Match", "*"}}), Precondition::kFailed);
  EXPECT_EQ(Evaluate("PUT", {{"If-None-Match", "*"}}, {}), Precondition::kHolds);
}

TEST(PreconditionTest, IfModifiedSinceIsForReadersWithoutIfNoneMatch) {
  EXPECT_EQ(Evaluate("GET", {{"If-Modified-Since", kThen}}), Precondition::kNotModified);
  EXPECT_EQ(Evaluate("GET", {{"If-Modified-Since", kLater}}), Precondition::kNotModified);
  EXPECT_EQ(Evaluate("GET", {{"If-Modified-Since", kBefore}}), Precondition::kHolds);
  EXPECT_EQ(Evaluate("POST", {{"If-Modified-Since", kLater}}), Precondition::kHolds);
  EXPECT_EQ(Evaluate("GET", {{"If-Modified-Since", kLater}, {"If-Modified-Since", kBefore}}),
            Precondition::kHolds);
  EXPECT_EQ(Evaluate("GET", {{"If-None-Match", "\"y\""}, {"If-Modified-Since", kLater}}),
            Precondition::kHolds);
}

bool RangeHolds(const char* if_range) {
  HttpHeaders headers;
  if (if_range != nullptr) headers.Set("If-Range", if_range);
  return RangeConditionHolds(headers, kPresent);
}

TEST(RangeConditionTest, OnlyTheVerySame) {
  EXPECT_TRUE(RangeHolds(nullptr));
  EXPECT_TRUE(RangeHolds("\"x\""));
  EXPECT_TRUE(RangeHolds(kThen));
  for (const char* other : {"\"y\"", "W/\"x\"", kBefore, kLater, "yesterday", ""}) {
    EXPECT_FALSE(RangeHolds(other)) << other;
  }
}

TEST(RangeConditionTest, ADateIsNoneWithinItsOwnSecond) {
  HttpHeaders headers;
  headers.Set("If-Range", kThen);
  const absl::Time then = absl::FromUnixSeconds(1577934245);
  EXPECT_FALSE(RangeConditionHolds(headers, kPresent, then));
  EXPECT_FALSE(RangeConditionHolds(headers, kPresent, then + absl::Milliseconds(999)));
  EXPECT_TRUE(RangeConditionHolds(headers, kPresent, then + absl::Seconds(1)));
  headers.Set("If-Range", "\"x\"");
  EXPECT_TRUE(RangeConditionHolds(headers, kPresent, then));
}

struct Item : RequestHandler {
  void Get() {
    if (AnswerConditionally(*this, kPresent)) return;
    Write("served");
  }
  void Put() { Get(); }
};

TEST(AnswerConditionallyTest, Answers304And412) {
  Application app({{"/", Handler<Item>()}}, {.log_function = nullptr});
  const FakeExchange served(app, GetRequest("/"));
  EXPECT_EQ(served.body(), "served");
  EXPECT_EQ(served.header("Etag"), "\"x\"");
  EXPECT_EQ(served.header("Last-Modified"), kThen);
  const FakeExchange known(app, GetRequest("/", "If-None-Match: \"x\"\r\n"));
  EXPECT_EQ(known.status(), 304);
  EXPECT_EQ(known.header("Etag"), "\"x\"");
  EXPECT_EQ(known.body(), "");
  std::string put = BodyRequest("PUT", "/", "", "");
  put.insert(put.find("\r\n") + 2, "If-Match: \"y\"\r\n");
  EXPECT_EQ(FakeExchange(app, put).status(), 412);
}

}  // namespace
}  // namespace squall
