#include "squall/base/flags.h"

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"

ABSL_FLAG(int, test_number, 7, "a number");
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

TEST(ParseFlags, SaysWhatIsWrong) {
  EXPECT_THAT(
      ParseFlags({"--test_number=abc"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "--test_number=abc is not a whole number"));
  EXPECT_THAT(ParseFlags({"--test_nmber=1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "there is no flag --test_nmber=1"));
  EXPECT_THAT(ParseFlags({"--test_text"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "--test_text needs a value"));
  EXPECT_THAT(ParseFlags({"--test_time=5"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--test_time=5 is not")));
  EXPECT_THAT(ParseFlags({"--notest_number"}), StatusIs(absl::StatusCode::kInvalidArgument));
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
