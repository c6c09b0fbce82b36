#include "squall/process/foreign_children.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/netutil/isolated_process.h"
#include "squall/process/exit_status.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using testing::Eventually;
using ::testing::UnorderedElementsAreArray;

constexpr int kOrphans = 500;

std::vector<pid_t> Children() {
  std::ifstream file(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  std::vector<pid_t> children;
  for (pid_t pid; file >> pid;) children.push_back(pid);
  return children;
}

pid_t ForkAndExit(int code) {
  const pid_t pid = fork();
  if (pid == 0) _exit(code);
  return pid;
}

bool IsZombie(pid_t pid) {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

ExitStatus Reap(pid_t pid) {
  siginfo_t info = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG), 0);
  EXPECT_EQ(info.si_pid, pid);
  return ExitStatus::FromSiginfo(info);
}

// A child that forks `kOrphans` and leaves them, when it ends, to its parent: the subreaper.
void LeaveOrphans() {
  const pid_t parent = fork();
  if (parent != 0) return;
  for (int i = 0; i < kOrphans; ++i) {
    const pid_t pid = ForkAndExit(0);
    // A full table of processes: one after the other, then.
    if (pid < 0) --i;
  }
  _exit(0);
}

TEST(ForeignChildrenTest, WhoGetsOrphans) {
  EXPECT_FALSE(IsReaper());
  EXPECT_EQ(RunIsolated([] {
              ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
              EXPECT_TRUE(IsReaper());
            }),
            Isolated::kPassed);
  // The first process of a pid namespace, which unshare(2) makes the next child to be.
  EXPECT_NE(RunIsolated([] {
              if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return;
              const pid_t first = fork();
              if (first == 0) _exit(IsReaper() ? 7 : 1);
              int status = 0;
              ASSERT_EQ(waitpid(first, &status, 0), first);
              EXPECT_EQ(WEXITSTATUS(status), 7);
            }),
            Isolated::kFailed);
}

TEST(ForeignChildrenTest, OrphansGoAndWorkersKeepTheirStatus) {
  EXPECT_EQ(
      RunIsolated([] {
        ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        // Dead before, between and after the orphans; one of them lives.
        std::vector<pid_t> workers = {ForkAndExit(40)};
        ASSERT_TRUE(Eventually([&] { return IsZombie(workers[0]); }));
        LeaveOrphans();
        workers.push_back(ForkAndExit(41));
        LeaveOrphans();
        const pid_t alive = fork();
        if (alive == 0) {
          for (;;) pause();
        }
        workers.push_back(alive);
        const auto known = [&](pid_t pid) {
          return std::find(workers.begin(), workers.end(), pid) != workers.end();
        };

        int reaped = 0;
        const int all = 2 * (kOrphans + 1);
        EXPECT_TRUE(Eventually([&] { return (reaped += ReapForeignChildren(known)) >= all; }));
        EXPECT_EQ(reaped, all);
        EXPECT_THAT(Children(), UnorderedElementsAreArray(workers));
        EXPECT_EQ(Reap(workers[0]), ExitStatus::Exited(40));
        EXPECT_TRUE(Eventually([&] { return IsZombie(workers[1]); }));
        EXPECT_EQ(Reap(workers[1]), ExitStatus::Exited(41));
        EXPECT_EQ(ReapForeignChildren(known), 0);
        kill(alive, SIGKILL);
        ASSERT_TRUE(Eventually([&] { return IsZombie(alive); }));
        EXPECT_EQ(ReapForeignChildren(known), 0);
        EXPECT_EQ(Reap(alive), ExitStatus::Killed(SIGKILL));
      }),
      Isolated::kPassed);
}

TEST(ForeignChildrenTest, AForeignChildThatLivesIsNotWaitedFor) {
  const auto nobody = [](pid_t) { return false; };
  EXPECT_EQ(ReapForeignChildren(nobody), 0);
  const pid_t alive = fork();
  if (alive == 0) {
    for (;;) pause();
  }
  EXPECT_EQ(ReapForeignChildren(nobody), 0);
  kill(alive, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return ReapForeignChildren(nobody) == 1; }));
}

TEST(ForeignChildrenTest, WithoutTheKernelsListAKnownOneIsInTheWay) {
  EXPECT_EQ(RunIsolated([] {
              const pid_t worker = ForkAndExit(40);
              const pid_t foreign = ForkAndExit(0);
              ASSERT_TRUE(Eventually([&] { return IsZombie(worker) && IsZombie(foreign); }));
              const auto known = [&](pid_t pid) { return pid == worker; };
              FailSystemCall(SYS_openat, ENOENT);
              EXPECT_EQ(ReapForeignChildren(known), 0);
              EXPECT_EQ(Reap(worker), ExitStatus::Exited(40));
              EXPECT_EQ(ReapForeignChildren(known), 1);
            }),
            Isolated::kPassed);
}

}  // namespace
}  // namespace squall
