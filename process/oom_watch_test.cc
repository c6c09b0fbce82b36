#include "squall/process/oom_watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"
#include "squall/process/cgroup.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::Eq;
using testing::ForkedProgram;
using testing::LineWriter;
using ::testing::Optional;

constexpr char kEvents[] = "/memory.events";        // v2
constexpr char kControl[] = "/memory.oom_control";  // v1

class OomWatchTest : public ::testing::Test {
 protected:
  OomWatchTest() : directory_(absl::StrCat(::testing::TempDir(), "/oom.XXXXXX")) {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }

  // The words of a real kernel.
  void WriteV2(uint64_t kills) {
    std::ofstream(directory_ + kEvents)
        << "low 0\nhigh 7\nmax 9\noom 5\noom_kill " << kills << "\noom_group_kill 3\n";
  }
  void WriteV1(uint64_t kills) {
    std::ofstream(directory_ + kControl)
        << "oom_kill_disable 0\nunder_oom 0\noom_kill " << kills << "\n";
  }

  std::string directory_;
  MonotonicTime now_ = MonotonicTime() + absl::Hours(1);
};

TEST_F(OomWatchTest, SeesAKillOnce) {
  WriteV2(4);
  OomWatch watch(directory_);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
  WriteV2(5);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
}

TEST_F(OomWatchTest, SeesAKillOfV1) {
  WriteV1(0);
  OomWatch watch(directory_);
  WriteV1(1);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
}

TEST_F(OomWatchTest, VictimsThatDieTogetherAreAllTold) {
  WriteV2(0);
  OomWatch watch(directory_);
  WriteV2(3);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_ + absl::Milliseconds(10)), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_ + absl::Seconds(1)), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_ + absl::Seconds(1)), Optional(false));
}

TEST_F(OomWatchTest, VictimsThatNobodyAskedForAreForgotten) {
  WriteV2(0);
  OomWatch watch(directory_);
  WriteV2(2);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
  EXPECT_THAT(watch.SawOomKill(now_ + absl::Milliseconds(1001)), Optional(false));
}

TEST_F(OomWatchTest, WithoutACounterItIsUnknown) {
  EXPECT_THAT(OomWatch("").SawOomKill(now_), Eq(std::nullopt));
  EXPECT_THAT(OomWatch("/no/such/group").SawOomKill(now_), Eq(std::nullopt));
  // v1 before Linux 4.13.
  std::ofstream(directory_ + kControl) << "oom_kill_disable 0\nunder_oom 0\n";
  EXPECT_THAT(OomWatch(directory_).SawOomKill(now_), Eq(std::nullopt));
  // A pid that cannot be.
  EXPECT_THAT(OomWatch::OfProcess(-1).SawOomKill(now_), Eq(std::nullopt));
}

TEST_F(OomWatchTest, ACounterThatComesOrStartsAnewIsNoKill) {
  OomWatch watch(directory_);
  WriteV2(8);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
  WriteV2(2);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
  std::filesystem::remove(directory_ + kEvents);
  EXPECT_THAT(watch.SawOomKill(now_), Eq(std::nullopt));
  WriteV2(2);
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
}

// A memory control group of our own, with room for little.
class SmallGroup {
 public:
  SmallGroup() {
    for (const internal::Cgroup& group : internal::CgroupsOf("", "self", "memory")) {
      directory_ = absl::StrCat(group.directory(), "/squall-oom-test-", getpid());
      if (mkdir(directory_.c_str(), 0755) != 0) continue;
      made_ = true;
      const bool limited =
          Write(group.v2 ? "/memory.max" : "/memory.limit_in_bytes", absl::StrCat(32 << 20));
      // Else what does not fit may go to the swap instead.
      if (group.v2) Write("/memory.swap.max", "0");
      if (!group.v2) Write("/memory.swappiness", "0");
      if (limited) return;
      Remove();
    }
  }
  ~SmallGroup() { Remove(); }

  bool made() const { return made_; }
  const std::string& directory() const { return directory_; }
  bool Enter() const { return Write("/cgroup.procs", absl::StrCat(getpid())); }

 private:
  bool Write(const std::string& file, const std::string& text) const {
    std::ofstream stream(directory_ + file);
    return static_cast<bool>(stream << text << std::flush);
  }
  void Remove() {
    // What a dead process leaves is taken back after a moment.
    const auto gone = [&] { return rmdir(directory_.c_str()) == 0; };
    if (!std::exchange(made_, false)) return;
    EXPECT_TRUE(testing::Eventually(gone));
  }

  std::string directory_;
  bool made_ = false;
};

void UseAllMemory() {
  for (;;) {
    void* const block = std::malloc(1 << 20);
    if (block != nullptr) std::memset(block, 1, 1 << 20);
  }
}

ExitStatus RunIn(const SmallGroup& group, void (*body)()) {
  ForkedProgram program([&](LineWriter) {
    if (!group.Enter()) return 1;
    body();
    return 2;
  });
  return program.Wait();
}

TEST_F(OomWatchTest, TellsARealOomKillFromAnotherKill) {
  SmallGroup group;
  if (!group.made()) GTEST_SKIP() << "no memory control group can be made here";
  OomWatch watch(group.directory());
  ASSERT_THAT(watch.SawOomKill(now_), Optional(false));

  EXPECT_EQ(RunIn(group, [] { raise(SIGKILL); }), ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));

  EXPECT_EQ(RunIn(group, UseAllMemory), ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
}

TEST_F(OomWatchTest, FindsTheGroupOfAProcess) {
  SmallGroup group;
  if (!group.made()) GTEST_SKIP() << "no memory control group can be made here";
  int gate[2];
  ASSERT_EQ(pipe2(gate, O_CLOEXEC), 0);
  UniqueFd opened_by_closing(gate[1]);
  ForkedProgram program([&](LineWriter out) {
    opened_by_closing.reset();
    out.Write(group.Enter() ? "inside" : "refused");
    char octet;
    if (read(gate[0], &octet, 1) == 0) UseAllMemory();
    return 0;
  });
  close(gate[0]);
  ASSERT_EQ(program.ReadLine(), "inside");
  OomWatch watch = OomWatch::OfProcess(program.pid());
  EXPECT_THAT(watch.SawOomKill(now_), Optional(false));
  opened_by_closing.reset();
  EXPECT_EQ(program.Wait(), ExitStatus::Killed(SIGKILL));
  EXPECT_THAT(watch.SawOomKill(now_), Optional(true));
}

}  // namespace
}  // namespace squall
