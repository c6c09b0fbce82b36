#include "squall/web/json.h"

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_macros.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Echo : RequestHandler {
  absl::Status Post() {
    ASSIGN_OR_RETURN(const nlohmann::json value, JsonBody(*this));
    WriteJson(*this, value);
    return absl::OkStatus();
  }
};

class JsonTest : public testing::Test {
 protected:
  FakeExchange Post(std::string_view body, std::string_view type = "application/json") {
    return FakeExchange(app_, BodyRequest("POST", "/", type, body));
  }

  LogCapture log_;
  Application app_{{{"/", Handler<Echo>()}}, {.log_function = nullptr}};
};

TEST_F(JsonTest, InAndOut) {
  const FakeExchange exchange = Post("{\"b\": [1, 2.5, null], \"a\": \"</script>\"}");
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.header("Content-Type"), "application/json; charset=UTF-8");
  EXPECT_EQ(exchange.body(), "{\"a\":\"<\\/script>\",\"b\":[1,2.5,null]}");
}

TEST_F(JsonTest, TypesThatAreJson) {
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8",
                           "application/problem+json", "application/vnd.api+json"}) {
    EXPECT_EQ(Post("1", type).status(), 200) << type;
  }
  for (const char* type : {"", "text/plain", "application/jsonx", "text/json; x"}) {
    EXPECT_EQ(Post("1", type).status(), 415) << type;
  }
}

TEST_F(JsonTest, WhatIsNoJsonIs400WithItsPlace) {
  for (const char* body : {"", "{", "[1,]", "{'a': 1}", "nan", "1 2", "\"\xFF\"", "\"a"}) {
    EXPECT_EQ(Post(body).status(), 400) << body;
  }
  EXPECT_EQ(Post("[1, 2, oops]").status(), 400);
  EXPECT_THAT(log_.messages(), Contains(HasSubstr("no JSON from octet 8 on")));
}

// dump() recurses: without a bound a megabyte of brackets would overflow the stack.
TEST_F(JsonTest, DepthHasABound) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(Post(nested(100)).status(), 200);
  EXPECT_EQ(Post(nested(101)).status(), 400);
  EXPECT_EQ(Post(nested(500'000)).status(), 400);
  EXPECT_EQ(Post(std::string(500'000, '[')).status(), 400);
  // Brackets in strings are text.
  EXPECT_EQ(Post("\"" + std::string(500, '[') + "\\\"" + std::string(500, '{') + "\"").status(),
            200);
}

}  // namespace
}  // namespace squall
