#include "squall/control/config/config_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Case {
  const char* text;
  const char* message;
};

class Mistakes : public ::testing::TestWithParam<Case> {};

TEST_P(Mistakes, AreOneSentenceWithTheirPlace) {
  EXPECT_THAT(ParseServerConfig(GetParam().text, "server.conf"),
              StatusIs(absl::StatusCode::kInvalidArgument, GetParam().message))
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Names, Mistakes,
    ::testing::Values(
        Case{"wokers: 3",
             "server.conf:1:1: there is no option \"wokers\"; did you mean \"workers\"?"},
        Case{"# one\n  qqqqqqqqqq: 3", "server.conf:2:3: there is no option \"qqqqqqqqqq\""},
        Case{"restart {\n  max_serge: 2\n}",
             "server.conf:2:3: restart has no option \"max_serge\"; did you mean \"max_surge\"?"},
        Case{"\n\n\tworkers2 :\n 3",
             "server.conf:3:9: there is no option \"workers2\"; did you mean \"workers\"?"},
        Case{"workers: 1\nuser: \"a\" workers: 2", "server.conf:2:11: workers is set twice"},
        Case{"restart { }\nrestart { }", "server.conf:2:1: restart is set twice"},
        Case{"8888", "server.conf:1:1: expected the name of an option, not 8888"}));

INSTANTIATE_TEST_SUITE_P(
    Types, Mistakes,
    ::testing::Values(
        Case{"workers: \"3\"", "server.conf:1:10: workers: \"3\" is not a whole number"},
        Case{"workers: 1.5", "server.conf:1:10: workers: 1.5 is not a whole number"},
        Case{"workers:", "server.conf:1:9: workers: the value is missing"},
        Case{"workers: 99999999999", "server.conf:1:10: workers: 99999999999 is out of range"},
        Case{"grace: 30", "server.conf:1:8: grace: 30 must stand in quotes, as \"30\""},
        Case{"grace: 30s", "server.conf:1:8: grace: 30s must stand in quotes, as \"30s\""},
        Case{"user: www", "server.conf:1:7: user: www must stand in quotes, as \"www\""},
        Case{"listen: [\"a:1\", 3]", "server.conf:1:17: 3 must stand in quotes, as \"3\""},
        Case{"backoff { jitter: \"a\" }", "server.conf:1:19: jitter: \"a\" is not a number"},
        Case{"http { xheaders: maybe }", "server.conf:1:18: xheaders: maybe is not true or false"},
        Case{"http { xheaders: 3 }", "server.conf:1:18: xheaders: 3 is not true or false"}));

INSTANTIATE_TEST_SUITE_P(
    Form, Mistakes,
    ::testing::Values(
        Case{"workers 3", "server.conf:1:9: expected \":\" before \"3\""},
        Case{"workers=3", "server.conf:1:8: expected \":\" before \"=\""},
        Case{"restart: 3", "server.conf:1:10: expected \"{\" before \"3\""},
        Case{"restart { max_surge: 1", "server.conf:1:23: a closing \"}\" is missing"},
        Case{"}", "server.conf:1:1: expected the name of an option, not }"},
        Case{"grace: \"30s\nworkers: 3",
             "server.conf:1:12: the closing quote of the text is missing"},
        Case{"[foo.bar]: 3",
             "server.conf:1:10: Extension \"foo.bar\" is not defined or is not an extension of "
             "\"squall.config.ServerConfig\""}));

TEST(ParseServerConfig, KeepsTextsAndPlaces) {
  const auto config = ParseServerConfig(
      "listen: \"a:1\"  # first\nworkers: 0x10\nlisten: [\"b:2\",\n  \"c:3\"]\n"
      "backoff { multiplier: 0.1 }\nhttp { xheaders: true }",
      "s.conf");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(config->Texts("listen"), ElementsAre("a:1", "b:2", "c:3"));
  EXPECT_THAT(config->Texts("workers"), ElementsAre("16"));
  EXPECT_THAT(config->Texts("backoff.multiplier"), ElementsAre("0.1"));
  EXPECT_THAT(config->Texts("http.xheaders"), ElementsAre("true"));
  EXPECT_THAT(config->Texts("grace"), IsEmpty());
  EXPECT_THAT(
      config->IsNot("listen", 0, "right"),
      StatusIs(absl::StatusCode::kInvalidArgument, "s.conf:1:1: listen: \"a:1\" is not right"));
  EXPECT_THAT(
      config->IsNot("listen", 2, "right"),
      StatusIs(absl::StatusCode::kInvalidArgument, "s.conf:1:1: listen: \"c:3\" is not right"));
  EXPECT_THAT(config->IsNot("backoff.multiplier", 0, "right"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "s.conf:5:11: backoff.multiplier: 0.1 is not right"));
}

TEST(ParseServerConfig, AnEmptyFileSaysNothing) {
  EXPECT_THAT(ParseServerConfig("# nothing\n", "s.conf")->ChangedFrom(ServerConfig()), IsEmpty());
}

TEST(ReadServerConfig, TakesRegularFilesAlone) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/server.conf");
  unlink(path.c_str());
  EXPECT_THAT(
      ReadServerConfig(path, "server.conf"),
      StatusIs(absl::StatusCode::kNotFound, "cannot read server.conf: No such file or directory"));
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(ReadServerConfig(path, "server.conf"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "server.conf is no regular file"));
  unlink(path.c_str());
  std::ofstream(path) << "workers: 3\n" << std::string(1 << 20, '#');
  EXPECT_THAT(ReadServerConfig(path, "server.conf"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("more than 1048576")));
  std::ofstream(path) << "workers: 3\n";
  EXPECT_THAT(ReadServerConfig(path, "server.conf")->Texts("workers"), ElementsAre("3"));
  unlink(path.c_str());
}

}  // namespace
}  // namespace squall
