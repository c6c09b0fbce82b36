#include "squall/base/flags.h"

#include <unistd.h>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

ABSL_FLAG(int, test_number, 7, "a number");
ABSL_FLAG(int, test_other, 3, "another number");
ABSL_FLAG(bool, test_switch, false, "a switch");
ABSL_FLAG(std::string, test_text, "", "a text");
ABSL_FLAG(absl::Duration, test_time, absl::Seconds(1), "a time");

namespace squall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseFlags, TakesEveryForm) {
  EXPECT_THAT(ParseFlags({"--test_number=-3", "first", "--test_switch", "--test_text", "a=b",
                          "-test_time=1m", "--", "--second"}),
              IsOkAndHolds(ElementsAre("first", "--second")));
  EXPECT_EQ(absl::GetFlag(FLAGS_test_number), -3);
  EXPECT_TRUE(absl::GetFlag(FLAGS_test_switch));
  EXPECT_EQ(absl::GetFlag(FLAGS_test_text), "a=b");
  EXPECT_EQ(absl::GetFlag(FLAGS_test_time), absl::Minutes(1));
  EXPECT_THAT(ParseFlags({"--notest_switch"}), IsOk());
  EXPECT_FALSE(absl::GetFlag(FLAGS_test_switch));
}

TEST(ParseFlags, ADashInANameIsAnUnderscore) {
  EXPECT_THAT(ParseFlags({"--test-number=8", "--notest-switch"}), IsOk());
  EXPECT_EQ(absl::GetFlag(FLAGS_test_number), 8);
}

TEST(ParseFlags, KnowsWhatWasGiven) {
  EXPECT_FALSE(WasGiven(absl::GetFlagReflectionHandle(FLAGS_test_other)));
  EXPECT_THAT(ParseFlags({"--test_other=x"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(WasGiven(absl::GetFlagReflectionHandle(FLAGS_test_other)));
  EXPECT_THAT(ParseFlags({"--test_other=3"}), IsOk());
  EXPECT_TRUE(WasGiven(absl::GetFlagReflectionHandle(FLAGS_test_other)))
      << "though it is the default";
}

TEST(ParseFlags, SaysWhatIsWrong) {
  EXPECT_THAT(
      ParseFlags({"--test_number=abc"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "--test_number=abc is not a whole number"));
  EXPECT_THAT(ParseFlags({"--test_nmber=1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "there is no flag --test_nmber=1"));
  EXPECT_THAT(ParseFlags({"--test_text"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "--test_text needs a value"));
  EXPECT_THAT(ParseFlags({"--test_time=5"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--test_time=5 is not a duration such as 30s, 500ms or 1h30m"));
  EXPECT_THAT(ParseFlags({"--notest_number"}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParseFlagsOrExit, Version) {
  char program[] = "some/where/program";
  char version[] = "--version";
  char* arguments[] = {program, version};
  // Death tests look at stderr alone.
  EXPECT_EXIT(
      {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        ParseFlagsOrExit(2, arguments, "usage");
      },
      ::testing::ExitedWithCode(0), "program: squall 0.1.0 \\(build [0-9a-f]+\\)");
}

TEST(ParseFlagsOrExit, OneLineAndStatusTwo) {
  char program[] = "/usr/bin/prog";
  char flag[] = "--bogus";
  char* argv[] = {program, flag};
  EXPECT_EXIT(ParseFlagsOrExit(2, argv, "prog: tests"), ::testing::ExitedWithCode(2),
              "^prog: there is no flag --bogus \\(--help lists the flags\\)\n$");
}

}  // namespace
}  // namespace squall
