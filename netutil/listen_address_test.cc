#include "squall/netutil/listen_address.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::FieldsAre;
using ::testing::HasSubstr;

TEST(ListenAddress, ReadsWhatOperatorsWrite) {
  const auto parse = [](std::string_view text) { return ListenAddress::Parse(text); };
  EXPECT_THAT(parse("localhost:8888"), IsOkAndHolds(FieldsAre("", "localhost", 8888)));
  EXPECT_THAT(parse("127.0.0.1:0"), IsOkAndHolds(FieldsAre("", "127.0.0.1", 0)));
  EXPECT_THAT(parse("[::1]:65535"), IsOkAndHolds(FieldsAre("", "::1", 65535)));
  EXPECT_THAT(parse("[fe80::1%eth0]:80"), IsOkAndHolds(FieldsAre("", "fe80::1%eth0", 80)));
  EXPECT_THAT(parse(":80"), IsOkAndHolds(FieldsAre("", "", 80)));
  EXPECT_THAT(parse("unix:/run/a.sock"), IsOkAndHolds(FieldsAre("/run/a.sock", "", 0)));
  EXPECT_THAT(parse("unix-abstract:a"), IsOkAndHolds(FieldsAre(std::string("\0a", 2), "", 0)));
}

TEST(ListenAddress, RefusesTheRestWithTheTextAndWhatWouldBeRight) {
  struct Case {
    std::string_view text;
    std::string_view words;
  };
  for (const Case& bad : {
           Case{"", "expected HOST:PORT"},
           Case{"localhost", "expected HOST:PORT"},
           Case{"8888", "expected HOST:PORT"},
           Case{"[::1]", "expected HOST:PORT"},
           Case{"::1:80", "in brackets before its port"},
           Case{"[localhost]:80", "only an IPv6 address"},
           Case{"local host:80", "no name of a host"},
           Case{"http://localhost:80", "brackets"},
           Case{"a/b:80", "no name of a host"},
           Case{"localhost:", "0 to 65535"},
           Case{"localhost:65536", "0 to 65535"},
           Case{"localhost:-1", "0 to 65535"},
           Case{"localhost:http", "0 to 65535"},
           Case{"unix:", "must not be empty"},
       }) {
    EXPECT_THAT(ListenAddress::Parse(bad.text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat("\"", std::string(bad.text), "\"")),
                               HasSubstr(std::string(bad.words)))))
        << bad.text;
  }
}

TEST(ListenAddress, BindsBothKinds) {
  const auto tcp = Bind(ListenAddress::Parse("127.0.0.1:0").value());
  ASSERT_THAT(tcp, IsOk());
  ASSERT_EQ(tcp->size(), 1u);
  EXPECT_GT(tcp->front().port(), 0);

  char directory[] = "/tmp/squallXXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = absl::StrCat(directory, "/s");
  const auto local =
      Bind(ListenAddress::Parse(absl::StrCat("unix:", path)).value(), {.unix_mode = 0640});
  ASSERT_THAT(local, IsOk());
  ASSERT_EQ(local->size(), 1u);
  struct stat file;
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0640u);
  unlink(path.c_str());
  rmdir(directory);

  EXPECT_THAT(Bind(ListenAddress{.host = "127.0.0.1", .port = tcp->front().port()}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

}  // namespace
}  // namespace squall
