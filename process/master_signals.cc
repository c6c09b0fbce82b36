#include "squall/process/master_signals.h"

#include <errno.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "squall/base/status.h"
#include "squall/process/foreign_children.h"
#include "squall/process/worker_signals.h"

namespace squall::internal {
namespace {

constexpr int kMasterSignals[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                                  SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

}  // namespace

absl::StatusOr<MasterSignals> MasterSignals::Create() {
  sigset_t set;
  sigemptyset(&set);
  for (int signo : kMasterSignals) sigaddset(&set, signo);
  // The deaths of workers are seen by pidfd; those of orphans that are not the master's by this.
  if (IsReaper()) sigaddset(&set, SIGCHLD);
  MasterSignals signals;
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, &signals.mask_before_); error != 0) {
    return StatusFromErrno(error, "cannot block the master's signals");
  }
  // While they are blocked the kernel keeps ignored signals as well, so the signalfd tells of HUP
  // also under nohup, and it restarts the workers there, as with nginx and gunicorn: it is the way
  // to reload, and what a terminal sends when it goes away costs no request. Only the disposition
  // stays: programs that the workers start keep what nohup wanted.
  for (int signo : kMasterSignals) {
    if (signo != SIGHUP) signals.SetDisposition(signo, SIG_DFL);
  }
  // Ignored, as some parents leave it, the kernel reaps the children itself: their pidfds would be
  // readable for ever and no death would have a status.
  signals.SetDisposition(SIGCHLD, SIG_DFL);
  // A log pipe whose reader died must not take the master, and so the service, with it.
  signals.SetDisposition(SIGPIPE, SIG_IGN);
  signals.fd_.reset(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals.fd_.valid()) {
    const int error = errno;
    signals.Undo();
    return StatusFromErrno(error, "cannot open the master's signalfd");
  }
  return signals;
}

void MasterSignals::SetDisposition(int signo, void (*handler)(int)) {
  struct sigaction wanted = {};
  wanted.sa_handler = handler;
  sigemptyset(&wanted.sa_mask);
  struct sigaction before;
  sigaction(signo, &wanted, &before);
  dispositions_before_.emplace_back(signo, before);
}

void MasterSignals::Undo() const {
  for (const auto& [signo, before] : dispositions_before_) sigaction(signo, &before, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

std::optional<int> MasterSignals::Next() {
  signalfd_siginfo info;
  ssize_t got;
  do {
    got = read(fd_.get(), &info, sizeof info);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

void MasterSignals::RestoreInChild() const {
  for (int signo : kMasterSignals) {
    if (signo != SIGHUP) signal(signo, SIG_DFL);
  }
  // While they are blocked: one to the whole group would end a child that has only begun.
  IgnoreMastersSignals();
  // A parent may have left these blocked; then TERM, the second step of every stop, would do
  // nothing.
  sigset_t mask = mask_before_;
  for (int signo : kMasterSignals) sigdelset(&mask, signo);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

}  // namespace squall::internal
