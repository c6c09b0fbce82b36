#include "squall/web/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
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

std::string Says(const absl::Status& status) { return std::string(status.message()); }

TEST(JsonAsTest, NothingIsLost) {
  const auto json = nlohmann::json::parse(
      R"({"i": -3, "u": 300, "f": 2.5, "s": "text", "b": true, "n": null, "big": 18446744073709551615,
          "list": [1, 2], "mixed": [1, "x"], "huge": 1e300})");
  EXPECT_EQ(JsonMember<int>(json, "i").value(), -3);
  EXPECT_EQ(JsonMember<uint64_t>(json, "big").value(), UINT64_MAX);
  EXPECT_EQ(JsonMember<double>(json, "f").value(), 2.5);
  EXPECT_EQ(JsonMember<double>(json, "i").value(), -3.0);
  EXPECT_EQ(JsonMember<std::string>(json, "s").value(), "text");
  EXPECT_TRUE(JsonMember<bool>(json, "b").value());
  EXPECT_EQ(JsonMember<std::vector<int>>(json, "list").value(), (std::vector<int>{1, 2}));
  EXPECT_EQ(JsonMember<nlohmann::json>(json, "list").value().size(), 2u);
  EXPECT_EQ(JsonMember<std::optional<int>>(json, "n").value(), std::nullopt);
  EXPECT_EQ(JsonMember<std::optional<int>>(json, "absent").value(), std::nullopt);
  EXPECT_EQ(JsonMember<std::optional<int>>(json, "i").value(), -3);

  EXPECT_EQ(Says(JsonMember<int>(json, "absent").status()), "the JSON has no \"absent\"");
  EXPECT_EQ(Says(JsonMember<std::string>(json, "u").status()),
            "\"u\": the JSON is 300, not a string");
  EXPECT_EQ(Says(JsonMember<int>(json, "s").status()),
            "\"s\": the JSON is of type string, not a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(Says(JsonMember<uint8_t>(json, "u").status()),
            "\"u\": the JSON is 300, not a whole number from 0 to 255");
  for (const char* name : {"f", "big", "b", "n"}) {
    EXPECT_FALSE(JsonMember<int64_t>(json, name).ok()) << name;
  }
  EXPECT_FALSE(JsonMember<unsigned>(json, "i").ok());
  EXPECT_FALSE(JsonMember<bool>(json, "i").ok());
  EXPECT_EQ(JsonMember<double>(json, "huge").value(), 1e300);
  EXPECT_FALSE(JsonMember<float>(json, "huge").ok());
  EXPECT_FALSE(JsonMember<double>(json, "s").ok());
  EXPECT_FALSE(JsonMember<std::optional<int>>(json, "s").ok());
  EXPECT_EQ(Says(JsonMember<std::vector<int>>(json, "mixed").status()),
            "\"mixed\": \"1\": the JSON is of type string, not a whole number from -2147483648 to "
            "2147483647");
  EXPECT_FALSE(JsonAs<std::vector<int>>(nlohmann::json::array({2.5})).ok());
  EXPECT_FALSE(JsonMember<std::vector<int>>(json, "s").ok());
  EXPECT_EQ(Says(JsonMember<int>(nlohmann::json(7), "i").status()),
            "the JSON is 7, not an object with \"i\"");
  EXPECT_FALSE(JsonMember<std::optional<int>>(nlohmann::json::array(), "i").ok());
}

TEST_F(JsonTest, AnotherTypeIs400WithASentence) {
  struct Adds : RequestHandler {
    absl::Status Post() {
      ASSIGN_OR_RETURN(const nlohmann::json item, JsonBody(*this));
      ASSIGN_OR_RETURN(const std::string name, JsonMember<std::string>(item, "name"));
      Write(name);
      return absl::OkStatus();
    }
  };
  Application app({{"/", Handler<Adds>()}}, {.log_function = nullptr});
  const auto post = [&](std::string_view body) {
    return FakeExchange(app, BodyRequest("POST", "/", "application/json", body));
  };
  EXPECT_EQ(post("{\"name\": \"a\"}").body(), "a");
  for (const char* body : {"{\"name\": 1}", "{}", "[]", "null"}) {
    EXPECT_EQ(post(body).status(), 400) << body;
  }
  EXPECT_THAT(log_.messages(), Contains(HasSubstr("\"name\": the JSON is 1, not a string")));
}

}  // namespace
}  // namespace squall
