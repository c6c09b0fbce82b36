#include "squall/process/pid_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::AllOf;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::LineWriter;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

bool Exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

std::string OwnLine() { return absl::StrCat(getpid(), "\n"); }

class PidFileTest : public ::testing::Test {
 protected:
  PidFileTest() : directory_(absl::StrCat(::testing::TempDir(), "/pid_file.XXXXXX")) {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/squall.pid";
  }

  std::string directory_;
  std::string path_;
};

// Holds the file and says so, then sleeps until it is killed.
int Hold(const std::string& path, LineWriter out) {
  const auto held = PidFile::Create(path);
  out.Write(held.ok() ? "held" : std::string(held.status().message()));
  for (;;) pause();
}

TEST_F(PidFileTest, HoldsThePidForEverybodyToRead) {
  const mode_t before = umask(077);
  const auto pid_file = PidFile::Create(path_);
  umask(before);
  ASSERT_THAT(pid_file, IsOk());
  EXPECT_EQ(pid_file->path(), path_);
  EXPECT_EQ(ReadFile(path_), OwnLine());
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFREG | 0644));
}

TEST_F(PidFileTest, GoesAtTheEnd) {
  std::optional<PidFile> pid_file = PidFile::Create(path_).value();
  PidFile moved = std::move(*pid_file);
  pid_file.reset();
  EXPECT_TRUE(Exists(path_));
  moved.Remove();
  EXPECT_FALSE(Exists(path_));
  WriteFile(path_, OwnLine());
  moved.Remove();
  EXPECT_TRUE(Exists(path_));
}

TEST_F(PidFileTest, AssignmentRemovesTheOldOne) {
  PidFile pid_file = PidFile::Create(path_).value();
  pid_file = PidFile::Create(path_ + "2").value();
  EXPECT_FALSE(Exists(path_));
  EXPECT_TRUE(Exists(path_ + "2"));
}

TEST_F(PidFileTest, ARunningHolderIsRefusedAndNamed) {
  ForkedProgram holder([&](LineWriter out) { return Hold(path_, out); });
  ASSERT_EQ(holder.ReadLine(), "held");
  EXPECT_THAT(PidFile::Create(path_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr(path_), HasSubstr(absl::StrCat("process ", holder.pid())),
                             HasSubstr("is running"))));
  EXPECT_EQ(ReadFile(path_), absl::StrCat(holder.pid(), "\n"));

  holder.Signal(SIGKILL);
  holder.Wait();
  EXPECT_THAT(PidFile::Create(path_), IsOk());
}

// With flock(2) the worker would hold the lock of its dead master.
TEST_F(PidFileTest, WorkersThatOutliveTheirMasterDoNotKeepItsSuccessorOut) {
  ForkedProgram master([&](LineWriter out) {
    const auto held = PidFile::Create(path_);
    if (fork() == 0) {
      out.Write("worker");
      for (;;) pause();
    }
    for (;;) pause();
    return held.ok() ? 0 : 1;
  });
  ASSERT_EQ(master.ReadLine(), "worker");
  master.Signal(SIGKILL);
  master.Wait();
  ASSERT_EQ(ReadFile(path_), absl::StrCat(master.pid(), "\n"));
  EXPECT_THAT(PidFile::Create(path_), IsOk());
}

TEST_F(PidFileTest, ChildrenNeitherRemoveNorUnlockIt) {
  ForkedProgram master([&](LineWriter out) {
    auto held = std::make_optional(PidFile::Create(path_).value());
    ForkedProgram child([&](LineWriter) {
      held->Remove();
      held.reset();
      return 0;
    });
    child.Wait();
    // Not read: the close would end the lock.
    out.Write(Exists(path_) ? "still there" : "gone");
    for (;;) pause();
    return 0;
  });
  ASSERT_EQ(master.ReadLine(), "still there");
  EXPECT_EQ(ReadFile(path_), absl::StrCat(master.pid(), "\n"));
  EXPECT_THAT(PidFile::Create(path_), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(PidFileTest, AFileThatNobodyLocksIsReplacedWhoeverItNames) {
  for (const std::string& text : {absl::StrCat(getppid(), "\n"), OwnLine(), std::string("99999999"),
                                  std::string(), std::string(" 17 \n")}) {
    WriteFile(path_, text);
    const auto pid_file = PidFile::Create(path_);
    ASSERT_THAT(pid_file, IsOk()) << text;
    EXPECT_EQ(ReadFile(path_), OwnLine()) << text;
  }
}

TEST_F(PidFileTest, WhatIsNoPidFileIsLeftAlone) {
  const std::string other = directory_ + "/other";
  for (const char* text :
       {"root:x:0:0", "17 18", "-5", "0", "                                        17"}) {
    WriteFile(path_, text);
    EXPECT_THAT(PidFile::Create(path_),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("other text")))
        << text;
    EXPECT_EQ(ReadFile(path_), text);
  }
  unlink(path_.c_str());

  WriteFile(other, "17\n");
  ASSERT_EQ(symlink(other.c_str(), path_.c_str()), 0);
  EXPECT_THAT(PidFile::Create(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a symbolic link")));
  EXPECT_EQ(ReadFile(other), "17\n");
  unlink(path_.c_str());

  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_THAT(PidFile::Create(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a directory")));
  rmdir(path_.c_str());

  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(PidFile::Create(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no regular file")));
}

TEST_F(PidFileTest, WhatOthersPutThereStays) {
  PidFile replaced = PidFile::Create(path_).value();
  WriteFile(directory_ + "/other", OwnLine());
  ASSERT_EQ(rename((directory_ + "/other").c_str(), path_.c_str()), 0);
  replaced.Remove();
  EXPECT_TRUE(Exists(path_));

  PidFile overwritten = PidFile::Create(path_).value();
  WriteFile(path_, "17\n");
  overwritten.Remove();
  EXPECT_TRUE(Exists(path_));
}

TEST_F(PidFileTest, ARelativePathSurvivesAChangeOfDirectory) {
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof before), nullptr);
  ASSERT_EQ(chdir(directory_.c_str()), 0);
  auto pid_file = PidFile::Create("squall.pid");
  ASSERT_EQ(chdir("/"), 0);
  ASSERT_THAT(pid_file, IsOk());
  EXPECT_TRUE(Exists(path_));
  pid_file->Remove();
  EXPECT_FALSE(Exists(path_));
  ASSERT_EQ(chdir(before), 0);
}

TEST_F(PidFileTest, ErrorsNameThePath) {
  EXPECT_THAT(PidFile::Create(directory_ + "/no/squall.pid"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/squall.pid\": No such file")));
  EXPECT_THAT(PidFile::Create(""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(PidFileTest, OfMastersThatStartTogetherOneWins) {
  for (int round = 0; round < 5; ++round) {
    WriteFile(path_, "99999999\n");
    std::vector<std::unique_ptr<ForkedProgram>> starters;
    int gate[2];
    ASSERT_EQ(pipe2(gate, O_CLOEXEC), 0);
    for (int i = 0; i < 20; ++i) {
      starters.push_back(std::make_unique<ForkedProgram>([&](LineWriter out) {
        close(gate[1]);
        char octet;
        if (read(gate[0], &octet, 1) != 0) return 1;  // Its end opens the gate for all.
        return Hold(path_, out);
      }));
    }
    close(gate[1]);
    close(gate[0]);
    pid_t winner = 0;
    int winners = 0;
    for (auto& starter : starters) {
      const std::string line = starter->ReadLine();
      if (line == "held") {
        ++winners;
        winner = starter->pid();
      } else {
        EXPECT_THAT(line, HasSubstr("is running"));
      }
    }
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(ReadFile(path_), absl::StrCat(winner, "\n"));
  }
}

// The moments between creating, locking and removing belong to nobody.
TEST_F(PidFileTest, ManyThatComeAndGoNeverHoldItTogether) {
  struct Shared {
    std::atomic<int> holders;
    std::atomic<int> taken;
  };
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto& shared = *new (memory) Shared();
  std::vector<std::unique_ptr<ForkedProgram>> programs;
  for (int i = 0; i < 6; ++i) {
    programs.push_back(std::make_unique<ForkedProgram>([&](LineWriter) {
      while (shared.taken < 1000) {
        auto pid_file = PidFile::Create(path_);
        if (!pid_file.ok()) continue;
        ++shared.taken;
        if (++shared.holders != 1 || !Exists(path_)) return 1;
        --shared.holders;
      }
      return 0;
    }));
  }
  for (auto& program : programs) EXPECT_EQ(program->Wait(), ExitStatus::Exited(0));
  munmap(memory, sizeof(Shared));
}

}  // namespace
}  // namespace squall
