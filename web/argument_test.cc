// Arguments and forms, through a whole application. Names after Tornado's web_test where they are ports.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/status_macros.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"

namespace squall {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Arguments : RequestHandler {
  void Get() { Write(absl::StrCat("[", GetArgument("foo", "default"), "]")); }
  void Post() {
    Write(absl::StrCat(absl::StrJoin(GetArguments("foo"), ","), " ",
                       absl::StrJoin(GetQueryArguments("foo"), ","), " ",
                       absl::StrJoin(GetBodyArguments("foo"), ","), " ", GetArgument("foo", "")));
  }
  absl::Status Put() {
    ASSIGN_OR_RETURN(const std::string foo, GetArgument("foo"));
    Write(foo);
    return absl::OkStatus();
  }
};

// RequestEncodingTest and GetArgumentTest.
TEST(ArgumentTest, StrippedFilteredAndDecoded) {
  Application app{{"/", Handler<Arguments>()}};
  const auto get = [&](const char* query) {
    return FakeExchange(app, GetRequest(absl::StrCat("/?", query))).body();
  };
  EXPECT_EQ(get("foo=bar"), "[bar]");
  EXPECT_EQ(get("foo=+bar%09"), "[bar]");
  EXPECT_EQ(get("foo=a%00b%1Fc%0Bd"), absl::StrCat("[a b c\x0b", "d]"));
  EXPECT_EQ(get("foo=%C3%A9"), "[\xC3\xA9]");
  EXPECT_EQ(get("foo=1&foo=2"), "[2]");
  EXPECT_EQ(get("foo="), "[]");
  EXPECT_EQ(get("bar=1"), "[default]");
}

TEST(ArgumentTest, NotUtf8Is400EvenWithAFallback) {
  Application app{{"/", Handler<Arguments>()}};
  EXPECT_EQ(FakeExchange(app, GetRequest("/?foo=%FF")).status(), 400);
  EXPECT_EQ(FakeExchange(app, GetRequest("/?bar=%FF")).status(), 200);
}

TEST(ArgumentTest, QueryAndBodyMerge) {
  Application app{{"/", Handler<Arguments>()}};
  const FakeExchange exchange(
      app, BodyRequest("POST", "/?foo=bar", "application/x-www-form-urlencoded", "foo=hello"));
  EXPECT_EQ(exchange.body(), "bar,hello bar hello hello");
}

TEST(ArgumentTest, MissingIs400) {
  LogCapture log;
  Application app{{"/", Handler<Arguments>()}};
  EXPECT_EQ(FakeExchange(app, BodyRequest("PUT", "/", "", "")).status(), 400);
  EXPECT_EQ(FakeExchange(app, BodyRequest("PUT", "/?foo=x", "", "")).body(), "x");
  EXPECT_THAT(log.messages(), Contains(HasSubstr("missing argument foo")));
}

TEST(ArgumentTest, BrokenFormIs400) {
  Application app{{"/", Handler<Arguments>()}};
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/", "multipart/form-data; boundary=1234",
                                          "--1234\r\nbroken"))
                .status(),
            400);
}

struct Raw : RequestHandler {
  static constexpr bool kRawBody = true;
  void Post() { Write(request().body()); }
};

TEST(ArgumentTest, RawBodyIsNoForm) {
  Application app{{"/", Handler<Raw>()}};
  EXPECT_EQ(FakeExchange(app, BodyRequest("POST", "/", "multipart/form-data; boundary=1", "broken"))
                .body(),
            "broken");
}

TEST(ArgumentTest, UploadedFile) {
  struct Upload : RequestHandler {
    void Post() {
      const FormFile& file = request().files().at(0);
      Write(absl::StrCat(file.name, " ", file.filename, " ", std::string(file.body), " ",
                         GetArgument("a", "")));
    }
  };
  Application app{{"/", Handler<Upload>()}};
  const FakeExchange exchange(
      app, BodyRequest("POST", "/", "multipart/form-data; boundary=1234",
                       "--1234\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\""
                       "\r\n\r\nFoo\r\n--1234\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
                       "1\r\n--1234--\r\n"));
  EXPECT_EQ(exchange.body(), "f x.txt Foo 1");
}

}  // namespace
}  // namespace squall
