#include "squall/process/child_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status.h"
#include "squall/process/exit_status.h"

namespace squall::internal {
namespace {

TEST(KillAndReap, TakesTheStatusOfAChildThatIgnoresTheRest) {
  const auto child = Fork();
  ASSERT_TRUE(child.ok()) << child.status();
  if (child->pid == 0) {
    for (;;) pause();
  }
  EXPECT_EQ(KillAndReap(child->pidfd), ExitStatus::Killed(SIGKILL));
  EXPECT_NE(kill(child->pid, 0), 0) << "no zombie is left";
}

TEST(WhyNotStarted, NamesTheLimitOfDescriptors) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(WhyNotStarted(StatusFromErrno(EMFILE, "socketpair")),
            "socketpair: Too many open files (RLIMIT_NOFILE lets this process have " +
                std::to_string(limit.rlim_cur) + " descriptors)");
  EXPECT_EQ(WhyNotStarted(StatusFromErrno(EAGAIN, "fork")),
            "fork: Resource temporarily unavailable");
}

}  // namespace
}  // namespace squall::internal
