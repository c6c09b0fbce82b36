#include "squall/base/logging.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/base/log_text.h"
#include "squall/base/unique_fd.h"

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

// A child whose stderr is a pipe of 4 KiB, or something else that fills, which nobody reads.
class FullStderrTest : public testing::Test {
 protected:
  void MakePipe() {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    reader_.reset(fds[0]);
    writer_.reset(fds[1]);
    ASSERT_EQ(::fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
  }

  // How a child that ran `log` with that stderr ended, as of waitpid; -1 when it hangs.
  template <typename Function>
  int RunChild(Function log) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(writer_.get(), STDERR_FILENO);
      log();
      ::_exit(7);
    }
    int status = 0;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        return -1;
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return status;
  }

  // What is in the pipe now.
  std::string Drain() {
    ::fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    std::string text;
    char octets[4096];
    for (ssize_t got; (got = ::read(reader_.get(), octets, sizeof octets)) > 0;) {
      text.append(octets, static_cast<size_t>(got));
    }
    return text;
  }

  UniqueFd reader_, writer_;
};

constexpr int kLines = 2000;

void LogMuch() {
  for (int i = 0; i < kLines; ++i) LOG(INFO) << "line " << i;
}

TEST_F(FullStderrTest, WhatFindsNoRoomIsDroppedAndCounted) {
  MakePipe();
  const int status = RunChild([&] {
    LogMuch();
    // The child drains the pipe itself, for its next line has to find room.
    const std::string text = Drain();
    const auto got = std::count(text.begin(), text.end(), '\n');
    if (got == 0 || got >= kLines || text.back() != '\n') ::_exit(1);
    LOG(INFO) << "room again";
    LOG(INFO) << "and again";
    const std::string counted =
        absl::StrCat("] ", kLines - got, " lines dropped here: stderr had no room\n");
    const std::string rest = Drain();
    if (std::count(rest.begin(), rest.end(), '\n') != 3) ::_exit(2);
    if (rest[0] != 'W' || rest.find(counted) == std::string::npos) ::_exit(3);
    if (rest.find(counted) > rest.find("] room again\n")) ::_exit(4);
    // Others share the description: it still blocks.
    if ((::fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) != 0) ::_exit(5);
  });
  ASSERT_NE(status, -1) << "the child waits for room in its stderr";
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(FullStderrTest, ALongLineThatWasTornEnds) {
  MakePipe();
  const int status = RunChild([&] {
    LOG(INFO) << std::string(10000, 'a');
    const std::string text = Drain();
    if (text.size() != 4096 || text.back() != 'a') ::_exit(1);
    LOG(INFO) << "room again";
    const std::string rest = Drain();
    if (rest.substr(0, 2) != "\nW") ::_exit(2);
    if (rest.find("] 1 line dropped here") == std::string::npos) ::_exit(3);
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(FullStderrTest, ANonBlockingStderrIsCountedToo) {
  MakePipe();
  ::fcntl(writer_.get(), F_SETFL, O_NONBLOCK);
  const int status = RunChild([&] {
    LogMuch();
    Drain();
    LOG(INFO) << "room again";
    if (Drain().find(" lines dropped here") == std::string::npos) ::_exit(1);
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(FullStderrTest, ASocketDoesNotBlockEither) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  reader_.reset(fds[0]);
  writer_.reset(fds[1]);
  const int status = RunChild([&] {
    const std::string kilo(1000, 'k');
    for (int i = 0; i < kLines; ++i) LOG(INFO) << kilo;
    Drain();
    LOG(INFO) << "room again";
    if (Drain().find(" dropped here") == std::string::npos) ::_exit(1);
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

// Terminals have no call that does not block: the way by a description of one's own.
TEST_F(FullStderrTest, AStoppedTerminalDoesNotBlockEither) {
  reader_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!reader_.valid()) GTEST_SKIP() << "no pseudo terminals here: " << std::strerror(errno);
  ASSERT_EQ(::grantpt(reader_.get()), 0);
  ASSERT_EQ(::unlockpt(reader_.get()), 0);
  writer_.reset(::open(::ptsname(reader_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!writer_.valid()) GTEST_SKIP() << "no /dev/pts here: " << std::strerror(errno);
  const int status = RunChild([&] {
    LogMuch();
    if (::tcflow(STDERR_FILENO, TCOOFF) != 0) ::_exit(1);
    LogMuch();
    if (::tcflow(STDERR_FILENO, TCOON) != 0) ::_exit(2);
    Drain();
    LOG(INFO) << "room again";
    if (Drain().find(" dropped here") == std::string::npos) ::_exit(3);
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(FullStderrTest, AFailedCheckEndsTheProcess) {
  MakePipe();
  const int status = RunChild([&] {
    LogMuch();
    FailCheck();
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
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
