#include "squall/process/orphan_guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "squall/base/status.h"

namespace squall::internal {
namespace {

// Read by the signal handler, written before the handler is installed.
timer_t g_timer;
timespec g_deadline;

int GuardSignal() { return SIGRTMAX - 1; }

// timer_settime is async-signal-safe (POSIX.1-2008 §2.4.3).
void ArmKillTimer(int) {
  const int saved = errno;
  itimerspec when = {};
  when.it_value = g_deadline;
  timer_settime(g_timer, 0, &when, nullptr);
  errno = saved;
}

}  // namespace

void DieWithMaster(pid_t master, int signo) {
  prctl(PR_SET_PDEATHSIG, signo);
  // The master may have died before prctl; then nobody would ever signal this process.
  if (getppid() != master) _exit(0);
}

absl::Status GuardOrphan(absl::Duration deadline) {
  g_deadline = absl::ToTimespec(deadline);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  if (timer_create(CLOCK_MONOTONIC, &event, &g_timer) != 0) {
    return StatusFromErrno(errno, "timer_create for the orphan guard");
  }
  struct sigaction action = {};
  action.sa_handler = ArmKillTimer;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(GuardSignal(), &action, nullptr) != 0) {
    return StatusFromErrno(errno, "sigaction for the orphan guard");
  }
  prctl(PR_SET_PDEATHSIG, GuardSignal());
  return absl::OkStatus();
}

void OutliveMaster() { prctl(PR_SET_PDEATHSIG, 0); }

}  // namespace squall::internal
