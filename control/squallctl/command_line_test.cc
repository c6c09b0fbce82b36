#include "squall/control/squallctl/command_line.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace squall::internal {
namespace {

using Args = std::vector<std::string_view>;
using ::testing::HasSubstr;

TEST(CommandLine, ResizeTargets) {
  const struct {
    Args args;
    bool relative;
    int value;
  } kCases[] = {
      {{"resize", "8"}, false, 8},
      {{"resize", "0"}, false, 0},
      {{"resize", "+2"}, true, 2},
      {{"resize", "-2"}, true, -2},
      {{"resize", "-2", "--wait"}, true, -2},
      {{"--wait", "resize", "-12"}, true, -12},
      {{"resize", "--wait", "-2"}, true, -2},
      {{"resize", "--", "-2"}, true, -2},
      {{"resize", "-0"}, true, 0},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.args.back());
    const absl::StatusOr<CommandLine> line = ParseCommandLine(test.args);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->verb, Verb::kResize);
    EXPECT_EQ(line->target.relative, test.relative);
    EXPECT_EQ(line->target.value, test.value);
  }
}

TEST(CommandLine, FlagsBeforeAndAfterTheVerbWithAndWithoutEquals) {
  const Args kCases[] = {
      {"--address", "unix:/a", "status", "--output", "json", "--watch"},
      {"status", "--watch", "--address=unix:/a", "--output=json"},
      {"--output=json", "--watch", "--address=unix:/a", "status"},
  };
  for (const Args& args : kCases) {
    const absl::StatusOr<CommandLine> line = ParseCommandLine(args);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->verb, Verb::kStatus);
    EXPECT_EQ(line->address, "unix:/a");
    EXPECT_EQ(line->output, OutputFormat::kJson);
    EXPECT_TRUE(line->watch);
    EXPECT_FALSE(line->wait);
  }
}

TEST(CommandLine, Times) {
  const struct {
    std::string_view text;
    absl::Duration duration;
  } kCases[] = {{"30s", absl::Seconds(30)},         {"2m", absl::Minutes(2)},
                {"500ms", absl::Milliseconds(500)}, {"10", absl::Seconds(10)},
                {"0.5", absl::Milliseconds(500)},   {"1h30m", absl::Minutes(90)}};
  for (const auto& test : kCases) {
    const absl::StatusOr<CommandLine> line =
        ParseCommandLine({"resize", "3", "--timeout", test.text});
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->timeout, test.duration) << test.text;
  }
}

TEST(CommandLine, WrongUsageSaysWhatIsWrong) {
  const struct {
    Args args;
    std::string message;
  } kCases[] = {
      {{}, "what to do?"},
      {{"resiez", "3"}, "no command \"resiez\"; did you mean resize?"},
      {{"zzz"}, "squallctl help has them all"},
      {{"resize"}, "resize needs the number"},
      {{"resize", "abc"}, "not \"abc\""},
      {{"resize", ""}, "not \"\""},
      {{"resize", "3x"}, "not \"3x\""},
      {{"resize", "+"}, "not \"+\""},
      {{"resize", "+-2"}, "not \"+-2\""},
      {{"resize", "99999999999"}, "not \"99999999999\""},
      {{"resize", "2", "3"}, "do with \"3\""},
      {{"status", "3"}, "status does not know what to do with \"3\""},
      {{"drain"}, "drain needs the slot"},
      {{"kill", "first"}, "kill takes the slot of a worker such as 3, not \"first\""},
      {{"reset-breaker", "-1"}, "not \"-1\""},
      {{"completion"}, "completion needs the shell"},
      {{"completion", "csh"}, "completion takes bash, zsh or fish, not \"csh\""},
      {{"wait"}, "wait needs the name of an operation"},
      {{"restart", "--max-surge=-1"}, "--max-surge takes a number from 0 on, not \"-1\""},
      {{"restart", "--max-failures=0"}, "--max-failures takes a number from 1 on, not \"0\""},
      {{"restart", "--soak=x"}, "--soak takes a time above zero"},
      {{"restart", "--on-failure=stop"}, "takes rollback or pause, not \"stop\""},
      {{"resize", "-x"}, "no flag \"-x\""},
      {{"status", "--wiat"}, "no flag \"--wiat\"; did you mean --wait?"},
      {{"status", "--wait"}, "status does not take --wait"},
      {{"resize", "2", "--watch"}, "resize does not take --watch"},
      {{"status", "--output"}, "--output needs a value"},
      {{"status", "--output=xml"}, "not \"xml\""},
      {{"status", "--watch=yes"}, "--watch takes no value"},
      {{"status", "--timeout=0"}, "not \"0\""},
      {{"status", "--timeout=-3s"}, "not \"-3s\""},
      {{"status", "--timeout=nan"}, "not \"nan\""},
      {{"status", "--timeout=soon"}, "not \"soon\""},
      {{"status", "--watch", "--interval=1ms"}, "between 100ms and 1h"},
      {{"status", "--address="}, "--address is empty"},
      {{"help", "frobnicate"}, "no command"},
  };
  for (const auto& test : kCases) {
    const absl::StatusOr<CommandLine> line = ParseCommandLine(test.args);
    ASSERT_FALSE(line.ok()) << test.message;
    EXPECT_EQ(ExitCodeFor(line.status()), ExitCode::kUsage);
    EXPECT_THAT(std::string(line.status().message()), HasSubstr(test.message));
    EXPECT_EQ(line.status().message().find('\n'), absl::string_view::npos);
  }
}

TEST(CommandLine, HelpAndVersion) {
  EXPECT_EQ(ParseCommandLine({"help"})->verb, Verb::kHelp);
  EXPECT_EQ(ParseCommandLine({"--help"})->verb, Verb::kHelp);
  EXPECT_EQ(ParseCommandLine({"-h"})->verb, Verb::kHelp);
  EXPECT_EQ(ParseCommandLine({"help", "resize"})->help_on, Verb::kResize);
  EXPECT_EQ(ParseCommandLine({"resize", "--help"})->help_on, Verb::kResize);
  EXPECT_EQ(ParseCommandLine({"status", "-h"})->help_on, Verb::kStatus);
  EXPECT_EQ(ParseCommandLine({"version"})->verb, Verb::kVersion);
  EXPECT_EQ(ParseCommandLine({"--version"})->verb, Verb::kVersion);
}

TEST(CommandLine, TheTimeoutOfAWaitIsNotThatOfTheCallThatBeginsIt) {
  const struct {
    Args args;
    absl::Duration call;
    absl::Duration wait;
  } kCases[] = {
      {{"status"}, absl::Seconds(5), absl::Minutes(2)},
      {{"status", "--timeout=9s"}, absl::Seconds(9), absl::Seconds(9)},
      {{"restart", "--timeout=9s"}, absl::Seconds(9), absl::Seconds(9)},
      {{"restart", "--wait"}, absl::Seconds(5), absl::Minutes(2)},
      {{"restart", "--wait", "--timeout=1h"}, absl::Seconds(5), absl::Hours(1)},
      {{"wait", "7", "--timeout=1h"}, absl::Seconds(5), absl::Hours(1)},
      {{"version"}, absl::Seconds(1), absl::Minutes(2)},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.args.back());
    const absl::StatusOr<CommandLine> line = ParseCommandLine(test.args);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(CallTimeout(*line), test.call);
    EXPECT_EQ(WaitTimeout(*line), test.wait);
  }
}

TEST(CommandLine, ExitCodes) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), ExitCode::kDone);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), ExitCode::kError);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeFor(absl::DeadlineExceededError("")), ExitCode::kDeadline);
  EXPECT_EQ(ExitCodeFor(absl::FailedPreconditionError("")), ExitCode::kPrecondition);
  EXPECT_EQ(ExitCodeFor(absl::AbortedError("")), ExitCode::kPrecondition);
  EXPECT_EQ(static_cast<int>(ExitCode::kPrecondition), 5);
}

}  // namespace
}  // namespace squall::internal
