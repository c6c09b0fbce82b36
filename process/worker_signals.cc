#include "squall/process/worker_signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "squall/base/status.h"

namespace squall::internal {
namespace {

// For the signal handler; set before it is installed.
pid_t g_master = 0;
int g_event = -1;
volatile sig_atomic_t g_term_seen = 0;

void Nothing(int) {}

// Async-signal-safe: write, signal, raise (signal-safety(7)).
void OnTerm(int, siginfo_t* info, void*) {
  const int saved = errno;
  if (info->si_pid == g_master || g_term_seen) {
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);  // delivered when this handler returns
  } else {
    g_term_seen = 1;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(g_event, &one, sizeof one);
  }
  errno = saved;
}

}  // namespace

void IgnoreMastersSignals() {
  for (const int signo : {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGQUIT}) {
    struct sigaction present;
    // What nohup ignored stays ignored, also in programs that the worker starts.
    if (sigaction(signo, nullptr, &present) == 0 && present.sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = Nothing;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signo, &action, nullptr);
  }
}

absl::StatusOr<UniqueFd> CatchFirstTerm(pid_t master) {
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return StatusFromErrno(errno, "eventfd for SIGTERM");
  g_master = master;
  g_event = event.get();
  struct sigaction action = {};
  action.sa_sigaction = OnTerm;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  return event;
}

void DieOfTerm() {
  signal(SIGTERM, SIG_DFL);
  raise(SIGTERM);
  // Only if somebody blocked it.
  _exit(EXIT_FAILURE);
}

}  // namespace squall::internal
