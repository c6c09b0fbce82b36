#include "squall/process/exit_status.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gtest/gtest.h"

namespace squall {
namespace {

// Ends a real child by `end` and reads its status by both calls.
template <typename End>
ExitStatus StatusOf(End end) {
  const pid_t pid = fork();
  if (pid == 0) {
    end();
    _exit(99);
  }
  siginfo_t info{};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(ExitStatus::FromSiginfo(info), ExitStatus::FromWaitStatus(status));
  return ExitStatus::FromSiginfo(info);
}

TEST(ExitStatusTest, RealChildren) {
  const ExitStatus done = StatusOf([] { _exit(0); });
  EXPECT_TRUE(done.success());
  EXPECT_EQ(done.ToString(), "exited with status 0");
  const ExitStatus three = StatusOf([] { _exit(3); });
  EXPECT_FALSE(three.success());
  EXPECT_EQ(three.ToString(), "exited with status 3");
  const ExitStatus killed = StatusOf([] { raise(SIGKILL); });
  EXPECT_FALSE(killed.success());
  EXPECT_EQ(killed.ToString(), "killed by signal 9 (SIGKILL)");
}

TEST(ExitStatusTest, Words) {
  EXPECT_EQ(ExitStatus::Killed(SIGSEGV, true).ToString(),
            "killed by signal 11 (SIGSEGV, core dumped)");
  EXPECT_EQ(ExitStatus::Killed(SIGRTMAX).ToString(), "killed by signal 64 (unknown)");
}

}  // namespace
}  // namespace squall
