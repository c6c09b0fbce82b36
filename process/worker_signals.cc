#include "squall/process/worker_signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "squall/base/status.h"

namespace squall::internal {
namespace {

// For the signal handler; set before it is installed.
int g_channel = -1;
int g_event = -1;
volatile sig_atomic_t g_term_kills = 0;

void Nothing(int) {}

// Async-signal-safe: recv, write, signal, raise (signal-safety(7)).
void OnTerm(int) {
  const int saved = errno;
  char byte;
  if (g_term_kills || recv(g_channel, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) >= 0) {
    signal(SIGTERM, SIG_DFL);
    raise(SIGTERM);  // delivered when this handler returns
  } else {
    g_term_kills = 1;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(g_event, &one, sizeof one);
  }
  errno = saved;
}

void Install(int signo, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signo, &action, nullptr);
}

}  // namespace

void IgnoreMastersSignals() {
  for (const int signo : {SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGQUIT}) {
    struct sigaction present;
    // What nohup ignored stays ignored, also in programs that the worker starts.
    if (sigaction(signo, nullptr, &present) == 0 && present.sa_handler == SIG_IGN) continue;
    Install(signo, Nothing);
  }
}

absl::StatusOr<UniqueFd> CatchFirstTerm(int channel) {
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return StatusFromErrno(errno, "eventfd for SIGTERM");
  g_channel = channel;
  g_event = event.get();
  Install(SIGTERM, OnTerm);
  return event;
}

void LetTermKill() { g_term_kills = 1; }

void DieOfTerm() {
  signal(SIGTERM, SIG_DFL);
  raise(SIGTERM);
  // Only if somebody blocked it.
  _exit(EXIT_FAILURE);
}

}  // namespace squall::internal
