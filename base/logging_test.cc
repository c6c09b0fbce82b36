#include "squall/base/logging.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/log_text.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string Escaped(std::string_view message) {
  std::string line;
  internal::AppendLogText(message, line);
  return line;
}

// First on purpose: nobody has initialised the log yet, and the program must not be told off for
// it.
TEST(LoggingTest, AFirstLineNeedsNoInitialisation) {
  testing::internal::CaptureStderr();
  errno = ENOTTY;
  LOG(INFO) << "hello";
  EXPECT_EQ(errno, ENOTTY);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, MatchesRegex("I[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} [0-9]+ - "
                                 "logging_test.cc:[0-9]+\\] hello\n"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat(" ", ::getpid(), " - ")));
}

TEST(LoggingTest, NamesTaskIdOrRole) {
  SetLogTaskId(2);
  testing::internal::CaptureStderr();
  LOG(WARNING) << "a";
  SetLogRole("master");
  LOG(ERROR) << "b";
  SetLogRole("a]\nvery long name indeed");
  LOG(ERROR) << "c";
  SetLogTaskId(std::nullopt);
  LOG(ERROR) << "d";
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              MatchesRegex("W[^\n]* 2 logging_test.cc:[0-9]+\\] a\n"
                           "E[^\n]* master logging_test.cc:[0-9]+\\] b\n"
                           "E[^\n]* a__very_long_na logging_test.cc:[0-9]+\\] c\n"
                           "E[^\n]* - logging_test.cc:[0-9]+\\] d\n"));
}

TEST(LoggingTest, AMessageIsOneLine) {
  testing::internal::CaptureStderr();
  LOG(INFO) << "a\nI1123 00:00:00.000000 1 - x.cc:1] forged";
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, HasSubstr("] a\\nI1123"));
}

TEST(LoggingTest, OptionsApplyWheneverTheyCome) {
  InitLogging({.min_level = LogLevel::kError, .verbosity = 2});
  testing::internal::CaptureStderr();
  LOG(WARNING) << "dropped";
  LOG(ERROR) << "kept";
  InitLogging({.verbosity = 2});
  VLOG(2) << "wordy";
  VLOG(3) << "too wordy";
  InitLogging();
  InitLogging();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(Not(HasSubstr("dropped")), HasSubstr("] kept\n"), HasSubstr("] wordy\n"),
                    Not(HasSubstr("too wordy"))));
}

TEST(LoggingTest, PlogAddsErrno) {
  LogCapture log;
  errno = EMFILE;
  PLOG(WARNING) << "accept";
  EXPECT_THAT(log.messages(), ElementsAre("W accept: Too many open files [24]"));
}

// Functions, because the commas in glog's macros would be taken for arguments of EXPECT_DEATH.
void FailCheck() { CHECK(1 > 2) << "nonsense"; }
void FailCheckEq() { CHECK_EQ(1, 2); }
void LogFatal() { LOG(FATAL) << "end"; }

TEST(LoggingDeathTest, ChecksAbortWithTheirMessage) {
  EXPECT_DEATH(FailCheck(), "F.* logging_test.cc:.*Check failed: 1 > 2 nonsense");
  EXPECT_DEATH(FailCheckEq(), "Check failed: 1 == 2 \\(1 vs. 2\\)");
  EXPECT_DEATH(LogFatal(), "\\] end\n");
}

TEST(LogTextTest, EscapesControlCharactersOnly) {
  EXPECT_EQ(Escaped("plain text"), "plain text");
  EXPECT_EQ(Escaped("a\r\nb\tc"), "a\\r\\nb\\tc");
  EXPECT_EQ(Escaped(std::string_view("\0\x1b[2J\x7f", 6)), "\\x00\\x1b[2J\\x7f");
  EXPECT_EQ(Escaped("caf\xc3\xa9 \xe2\x82\xac"), "caf\xc3\xa9 \xe2\x82\xac");
  EXPECT_EQ(Escaped("\xc2\x9b"
                    "2J"),
            "\\xc2\\x9b2J");
  EXPECT_EQ(Escaped("\xc2\xa0"), "\xc2\xa0");
  EXPECT_EQ(Escaped("end\xc2"), "end\xc2");
}

}  // namespace
}  // namespace squall
