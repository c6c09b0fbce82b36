#include "squall/base/log_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/base/status_matchers.h"

namespace squall {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> LinesOf(const std::string& path) {
  return absl::StrSplit(ReadFile(path), '\n', absl::SkipEmpty());
}

mode_t ModeOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

uid_t OwnerOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_uid;
}

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() : directory_(absl::StrCat(testing::TempDir(), "/log_file.XXXXXX")) {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/squall.log";
    rotated_ = path_ + ".1";
  }

  // In a child, whose standard error may be replaced. Failures count; their text goes to stdout.
  static void InChild(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      body();
      std::fflush(nullptr);
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }

  void Rotate() { ASSERT_EQ(rename(path_.c_str(), rotated_.c_str()), 0); }

  std::string directory_;
  std::string path_;
  std::string rotated_;
};

TEST_F(LogFileTest, TheLogAndAllStandardErrorGoThere) {
  InChild([&] {
    ASSERT_THAT(OpenLogFile(path_), IsOk());
    LOG(INFO) << "hello";
    ASSERT_EQ(std::fprintf(stderr, "a library's words\n"), 18);
  });
  EXPECT_THAT(LinesOf(path_), ElementsAre(MatchesRegex("I.* log_file_test.cc:[0-9]+\\] hello"),
                                          "a library's words"));
}

TEST_F(LogFileTest, ACheckThatFailsLeavesItsStackThere) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (!OpenLogFile(path_).ok()) _exit(1);
    CHECK_EQ(1, 2) << "nonsense";
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(ReadFile(path_), AllOf(HasSubstr("nonsense"), HasSubstr("stack trace")));
}

TEST_F(LogFileTest, AfterARenameTheNewFileIsWrittenTo) {
  InChild([&] {
    ASSERT_THAT(OpenLogFile(path_), IsOk());
    LOG(INFO) << "one";
    Rotate();
    LOG(INFO) << "two";
    ASSERT_THAT(ReopenLogFiles(), IsOk());
    LOG(INFO) << "three";
    // Programs that this process starts log there, too.
    EXPECT_EQ(fcntl(STDERR_FILENO, F_GETFD), 0);
  });
  EXPECT_THAT(LinesOf(rotated_), ElementsAre(HasSubstr("one"), HasSubstr("two")));
  EXPECT_THAT(LinesOf(path_), ElementsAre(HasSubstr("three")));
}

TEST_F(LogFileTest, ATruncatedFileGrowsFromItsStart) {
  InChild([&] {
    ASSERT_THAT(OpenLogFile(path_), IsOk());
    LOG(INFO) << std::string(5000, 'a');
    ASSERT_EQ(truncate(path_.c_str(), 0), 0);
    LOG(INFO) << "after";
  });
  EXPECT_THAT(LinesOf(path_), ElementsAre(MatchesRegex("I.*after")));
}

TEST_F(LogFileTest, AFileThatCannotBeReopenedIsKept) {
  InChild([&] {
    ASSERT_THAT(OpenLogFile(path_), IsOk());
    Rotate();
    ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
    EXPECT_THAT(ReopenLogFiles(), Not(IsOk()));
    LOG(INFO) << "still here";
  });
  EXPECT_THAT(
      LinesOf(rotated_),
      ElementsAre(AllOf(HasSubstr("could not reopen log file \"" + path_ + "\": Is a directory"),
                        HasSubstr("the old file is still written to")),
                  HasSubstr("still here")));
}

TEST_F(LogFileTest, AnErrorLeavesStandardErrorAlone) {
  InChild([&] {
    ASSERT_THAT(OpenLogFile(path_), IsOk());
    EXPECT_THAT(OpenLogFile(directory_ + "/no/file"),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/file\": No such file")));
    EXPECT_THAT(OpenLogFile(""), StatusIs(absl::StatusCode::kInvalidArgument));
    ASSERT_THAT(ReopenLogFiles(), IsOk());
    LOG(INFO) << "unchanged";
  });
  EXPECT_THAT(LinesOf(path_), ElementsAre(HasSubstr("unchanged")));
}

TEST_F(LogFileTest, ARelativePathSurvivesAChangeOfDirectory) {
  InChild([&] {
    ASSERT_EQ(chdir(directory_.c_str()), 0);
    ASSERT_THAT(OpenLogFile("squall.log"), IsOk());
    ASSERT_EQ(chdir("/"), 0);
    Rotate();
    ASSERT_THAT(ReopenLogFiles(), IsOk());
    LOG(INFO) << "found";
  });
  EXPECT_THAT(LinesOf(path_), ElementsAre(HasSubstr("found")));
}

TEST_F(LogFileTest, AFifoWithoutAReaderIsAnErrorAndNoWait) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(LogFile::Open(path_), StatusIs(testing::_, HasSubstr("No such device or address")));
}

TEST_F(LogFileTest, AProgramMayWriteAFileOfItsOwn) {
  auto file = LogFile::Open(path_).value();
  const int fd = file->fd();
  EXPECT_TRUE(file->Write("200 GET /"));
  Rotate();
  ASSERT_THAT(ReopenLogFiles(), IsOk());
  EXPECT_EQ(file->fd(), fd);
  EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(file->Write("200 GET /2"));
  EXPECT_THAT(LinesOf(rotated_), ElementsAre("200 GET /"));
  EXPECT_THAT(LinesOf(path_), ElementsAre("200 GET /2"));

  file.reset();
  Rotate();
  ASSERT_THAT(ReopenLogFiles(), IsOk());
  EXPECT_NE(access(path_.c_str(), F_OK), 0) << "a closed file was reopened";
}

TEST_F(LogFileTest, WhatCannotBeWrittenIsSaid) {
  auto full = LogFile::Open("/dev/full").value();
  EXPECT_FALSE(full->Write("lost"));
}

TEST_F(LogFileTest, ANewFileHasItsModeAndOwner) {
  const mode_t before = umask(022);
  auto by_default = LogFile::Open(path_).value();
  auto open_to_all = LogFile::Open(path_ + "2", {.mode = 0666}).value();
  umask(before);
  EXPECT_EQ(ModeOf(path_), 0640u);
  EXPECT_EQ(ModeOf(path_ + "2"), 0644u);
}

TEST_F(LogFileTest, OnlyAFileThatRootCreatedChangesItsOwner) {
  {
    const std::string probe = directory_ + "/probe";
    std::ofstream(probe).flush();
    if (chown(probe.c_str(), 1234, static_cast<gid_t>(-1)) != 0) {
      GTEST_SKIP() << "only real root may give files away";
    }
  }
  auto file = LogFile::Open(path_, {.owner = 1234}).value();
  EXPECT_EQ(OwnerOf(path_), 1234u);
  Rotate();
  ASSERT_THAT(ReopenLogFiles(), IsOk());
  EXPECT_EQ(OwnerOf(path_), 1234u);

  const std::string secret = directory_ + "/secret";
  std::ofstream(secret) << "root's\n";
  EXPECT_THAT(LogFile::Open(secret, {.owner = 1234}), IsOk());
  EXPECT_EQ(OwnerOf(secret), 0u);
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink(secret.c_str(), link.c_str()), 0);
  EXPECT_THAT(LogFile::Open(link, {.owner = 1234}), IsOk());
  EXPECT_EQ(OwnerOf(secret), 0u);
}

// Each writer notes the number of each of its lines; all are found once, whole, in one of the files.
TEST_F(LogFileTest, ManyWritersLoseNothingOverRotations) {
  constexpr int kWriters = 6;
  constexpr int kLines = 1500;
  constexpr int kRotations = 10;
  std::vector<pid_t> writers;
  std::fflush(nullptr);
  for (int writer = 0; writer < kWriters; ++writer) {
    const pid_t pid = fork();
    if (pid == 0) {
      if (!OpenLogFile(path_).ok()) _exit(1);
      for (int line = 0; line < kLines; ++line) {
        if (line % 100 == 99 && !ReopenLogFiles().ok()) _exit(2);
        LOG(INFO) << "line " << writer << " " << line << " " << std::string(line % 500, 'x')
                  << " end";
      }
      _exit(0);
    }
    writers.push_back(pid);
  }
  int rotations = 0;
  for (const pid_t pid : writers) {
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
      if (rotations < kRotations &&
          rename(path_.c_str(), absl::StrCat(path_, ".", rotations).c_str()) == 0) {
        ++rotations;
      }
      usleep(2000);
    }
    EXPECT_EQ(status, 0);
  }
  EXPECT_GT(rotations, 0);

  std::vector<std::string> lines = LinesOf(path_);
  for (int i = 0; i < rotations; ++i) {
    for (const std::string& line : LinesOf(absl::StrCat(path_, ".", i))) lines.push_back(line);
  }
  std::map<std::string, int> seen;
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    // "I1123 08:20:11.123456 4711 - log_file_test.cc:1] line 3 700 xxx end"
    ASSERT_EQ(words.size(), 10u) << line;
    ASSERT_EQ(words[5], "line") << line;
    int number = 0;
    ASSERT_TRUE(absl::SimpleAtoi(words[7], &number)) << line;
    ASSERT_EQ(words[8].size(), static_cast<size_t>(number % 500)) << line;
    ASSERT_EQ(words[9], "end") << line;
    ++seen[words[6] + " " + words[7]];
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kWriters * kLines));
  EXPECT_EQ(lines.size(), seen.size());
}

}  // namespace
}  // namespace squall
