// The watchdog's judgement of real processes.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/process/child_process.h"
#include "squall/process/process_stat.h"
#include "squall/process/testing/forked_program.h"
#include "squall/process/watchdog.h"
#include "squall/process/watchdog_options.h"

namespace squall {
namespace {

using ::squall::testing::Eventually;

// A process that is silent for a minute already.
class SilentProcess {
 public:
  explicit SilentProcess(absl::FunctionRef<void()> body) {
    absl::StatusOr<internal::ChildProcess> child = internal::Fork();
    EXPECT_TRUE(child.ok()) << child.status();
    if (child->pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      _exit(0);
    }
    child_ = std::move(*child);
  }
  ~SilentProcess() {
    Signal(SIGKILL);
    internal::WaitForDeath(child_.pidfd, -1);
    internal::Reap(child_.pidfd);
  }

  void Signal(int signo) { internal::Signal(child_.pidfd, signo); }

  // Is it seen as `health`, sooner or later? Looks come a tenth of a second apart.
  bool Becomes(WorkerHealth health) {
    return Eventually([&] {
      const MonotonicTime now = Clock::Real().Now();
      if (now - judged_at_ < absl::Milliseconds(100)) return false;
      judged_at_ = now;
      const absl::StatusOr<ProcessStat> stat = ReadMainThreadStat(child_.pid);
      EXPECT_TRUE(stat.ok()) << stat.status();
      return watchdog_.Judge({.now = now, .heartbeat = heartbeat_, .stat = *stat}).health == health;
    });
  }

 private:
  internal::ChildProcess child_;
  Watchdog watchdog_{WatchdogOptions{}};
  MonotonicTime heartbeat_ = Clock::Real().Now() - absl::Minutes(1);
  MonotonicTime judged_at_;
};

void Spin() {
  volatile bool forever = true;
  while (forever) {
  }
}

// The first processor that this process may use.
cpu_set_t OneProcessor() {
  cpu_set_t all, one;
  EXPECT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  return one;
}

TEST(WatchdogProcessTest, SleepingStoppedAndContinued) {
  SilentProcess process([] {
    for (;;) pause();
  });
  EXPECT_TRUE(process.Becomes(WorkerHealth::kStalled));
  process.Signal(SIGSTOP);
  EXPECT_TRUE(process.Becomes(WorkerHealth::kStopped));
  process.Signal(SIGCONT);
  EXPECT_TRUE(process.Becomes(WorkerHealth::kStalled));
}

TEST(WatchdogProcessTest, StoppedByADebugger) {
  SilentProcess process([] {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGTRAP);
  });
  EXPECT_TRUE(process.Becomes(WorkerHealth::kStopped));
}

TEST(WatchdogProcessTest, ComputingAndStarved) {
  const cpu_set_t processor = OneProcessor();
  // Both want the same processor, and the idle class gets 0.3 % of it.
  SilentProcess process([&processor] {
    const sched_param priority{};
    sched_setaffinity(0, sizeof(processor), &processor);
    sched_setscheduler(0, SCHED_IDLE, &priority);
    Spin();
  });
  {
    SilentProcess other([&processor] {
      sched_setaffinity(0, sizeof(processor), &processor);
      Spin();
    });
    EXPECT_TRUE(process.Becomes(WorkerHealth::kStarved));
    EXPECT_TRUE(other.Becomes(WorkerHealth::kStalled));
  }
}

TEST(WatchdogProcessTest, InTheKernel) {
  // The parent of a vfork waits in state D until its child is gone.
  SilentProcess process([] {
    if (vfork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      pause();
      _exit(0);
    }
  });
  EXPECT_TRUE(process.Becomes(WorkerHealth::kInKernel));
}

}  // namespace
}  // namespace squall
