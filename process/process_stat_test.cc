#include "squall/process/process_stat.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/process/child_process.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::squall::testing::Eventually;
using ::testing::HasSubstr;

std::string Line(const std::string& name, const std::string& state) {
  return absl::StrCat("4711 (", name, ") ", state,
                      " 1 2 3 0 -1 4194304 102 0 0 0 250 150 7 8 20 0 1 0 113647 3133440 415 "
                      "18446744073709551615 94863383904256\n");
}

absl::StatusOr<ProcessStat> Parse(const std::string& line) {
  return internal::ParseProcessStat(line, 100, 4096);
}

TEST(ParseProcessStatTest, StateTimeAndMemory) {
  const absl::StatusOr<ProcessStat> stat = Parse(Line("server", "S"));
  ASSERT_THAT(stat, IsOk());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->cpu_time, absl::Seconds(4));  // Its own alone, not that of its children.
  EXPECT_EQ(stat->rss_bytes, 415u * 4096);
}

TEST(ParseProcessStatTest, TheNameIsTheProgramsToChoose) {
  for (const char* name : {"", "a b", ")", "a) R 1 (b", ") T 9 9 9", "(((", "a\nb"}) {
    const absl::StatusOr<ProcessStat> stat = Parse(Line(name, "D"));
    ASSERT_THAT(stat, IsOk()) << name;
    EXPECT_EQ(stat->state, 'D') << name;
    EXPECT_EQ(stat->rss_bytes, 415u * 4096) << name;
  }
}

TEST(ParseProcessStatTest, AnythingElseIsRefusedAndShown) {
  const std::string good = Line("x", "S");
  for (const std::string& line : {std::string(), std::string("4711 (x"), std::string("4711 (x)"),
                                  Line("x", "SS"), good.substr(0, good.find(" 415")),
                                  std::string("1 (x) S 1 2 3 0 -1 4 1 0 0 0 u 1 7 8 2 0 "
                                              "1 0 1 3 4\n")}) {
    EXPECT_THAT(Parse(line), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("not a line of /proc/PID/stat")))
        << line;
  }
  EXPECT_THAT(Parse("1 \n").status().message(), HasSubstr("\"1 \\n\""));
}

// Burns processor time of the calling thread.
void Burn(absl::Duration cpu_time) {
  timespec used{};
  do {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  } while (absl::DurationFromTimespec(used) < cpu_time);
}

TEST(ReadProcessStatTest, ThisProcess) {
  const absl::StatusOr<ProcessStat> before = ReadProcessStat(getpid());
  ASSERT_THAT(before, IsOk());
  EXPECT_EQ(before->state, 'R');
  constexpr size_t kSize = size_t{64} << 20;
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const absl::StatusOr<ProcessStat> after = ReadProcessStat(getpid());
  munmap(memory, kSize);
  ASSERT_THAT(after, IsOk());
  // The kernel's counters may be late by some pages per processor.
  EXPECT_GT(after->rss_bytes, before->rss_bytes + kSize * 9 / 10);
  EXPECT_LT(after->rss_bytes, before->rss_bytes + kSize * 2);
}

// Before any test with threads: a process with more than one does not fork.
TEST(ReadProcessStatTest, SeesAChildSleepStopDieAndGo) {
  absl::StatusOr<internal::ChildProcess> child = internal::Fork();
  ASSERT_THAT(child, IsOk());
  if (child->pid == 0) {
    prctl(PR_SET_NAME, ") R 1 (");
    for (;;) pause();
  }
  const pid_t pid = child->pid;
  const auto becomes = [pid](char state) {
    return Eventually([=] {
      const absl::StatusOr<ProcessStat> stat = ReadProcessStat(pid);
      return stat.ok() && stat->state == state;
    });
  };
  EXPECT_TRUE(becomes('S'));
  internal::Signal(child->pidfd, SIGSTOP);
  EXPECT_TRUE(becomes('T'));
  internal::Signal(child->pidfd, SIGCONT);
  EXPECT_TRUE(becomes('S'));
  internal::Signal(child->pidfd, SIGKILL);
  EXPECT_TRUE(becomes('Z'));
  ASSERT_TRUE(internal::Reap(child->pidfd).has_value());
  EXPECT_THAT(ReadProcessStat(pid),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(absl::StrCat("/proc/", pid))));
  EXPECT_THAT(ReadMainThreadStat(pid), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ReadProcessStatTest, ProcessorTimeOfAllThreadsOrOfTheMainOne) {
  const absl::StatusOr<ProcessStat> main_before = ReadMainThreadStat(getpid());
  const absl::StatusOr<ProcessStat> all_before = ReadProcessStat(getpid());
  std::thread([] { Burn(absl::Milliseconds(300)); }).join();
  const absl::StatusOr<ProcessStat> main_after = ReadMainThreadStat(getpid());
  const absl::StatusOr<ProcessStat> all_after = ReadProcessStat(getpid());
  ASSERT_THAT(main_before, IsOk());
  ASSERT_THAT(all_before, IsOk());
  ASSERT_THAT(main_after, IsOk());
  ASSERT_THAT(all_after, IsOk());
  EXPECT_GE(all_after->cpu_time - all_before->cpu_time, absl::Milliseconds(250));
  EXPECT_LT(main_after->cpu_time - main_before->cpu_time, absl::Milliseconds(150));
  EXPECT_EQ(main_after->rss_bytes / (1 << 20), all_after->rss_bytes / (1 << 20));
}

}  // namespace
}  // namespace squall
