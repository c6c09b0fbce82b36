#include "squall/ioloop/signal_watcher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "squall/base/logging.h"
#include "squall/base/status.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/invoke.h"

namespace squall::internal {
namespace {

// Blocking a signal that the CPU raises would turn a crash into an endless loop.
bool CanBeWatched(int signo) {
  switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
      return false;
  }
  return (signo >= 1 && signo < NSIG && (signo < 32 || signo >= SIGRTMIN)) && signo <= SIGRTMAX;
}

void ChangeMask(int how, int signo, sigset_t* old) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signo);
  CHECK_EQ(pthread_sigmask(how, &one, old), 0);
}

}  // namespace

SignalWatcher::SignalWatcher() { sigemptyset(&set_); }

SignalWatcher::~SignalWatcher() { Clear(); }

void SignalWatcher::Clear() {
  while (!watched_.empty()) Remove(watched_.begin()->first);
}

absl::Status SignalWatcher::Add(int signo, Callback callback) {
  if (!CanBeWatched(signo)) {
    return absl::InvalidArgumentError(
        absl::StrCat("signal ", signo,
                     " cannot be handled by a loop; use a catchable signal that is not a fault"));
  }
  if (watched_.contains(signo)) {
    return absl::AlreadyExistsError(
        absl::StrCat("signal ", signo, " has a handler already; call RemoveSignalHandler first"));
  }
  sigset_t old;
  ChangeMask(SIG_BLOCK, signo, &old);
  sigaddset(&set_, signo);
  const bool was_blocked = sigismember(&old, signo) == 1;
  if (const absl::Status status = UpdateFd(); !status.ok()) {
    sigdelset(&set_, signo);
    if (!was_blocked) ChangeMask(SIG_UNBLOCK, signo, nullptr);
    return status;
  }
  watched_.emplace(signo, Watched{std::make_shared<Callback>(std::move(callback)), was_blocked});
  return absl::OkStatus();
}

void SignalWatcher::Remove(int signo) {
  const auto it = watched_.find(signo);
  if (it == watched_.end()) return;
  // Keeps the callable past the erase: it may be the one that is running, and its destructor is
  // user code.
  const Watched watched = std::move(it->second);
  watched_.erase(it);
  sigdelset(&set_, signo);
  if (const absl::Status status = UpdateFd(); !status.ok()) LOG(ERROR) << status;
  if (!watched.was_blocked) ChangeMask(SIG_UNBLOCK, signo, nullptr);
}

void SignalWatcher::HandleReadable() {
  signalfd_siginfo info;
  while (true) {
    const ssize_t size = ::read(fd_.get(), &info, sizeof info);
    if (size < 0 && errno == EINTR) continue;
    if (size != sizeof info) return;
    const auto it = watched_.find(static_cast<int>(info.ssi_signo));
    if (it == watched_.end()) continue;
    const std::shared_ptr<Callback> callback = it->second.callback;
    InvokeLogged("a signal handler", *callback, static_cast<int>(info.ssi_signo));
  }
}

absl::Status SignalWatcher::UpdateFd() {
  const int fd = ::signalfd(fd_.get(), &set_, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return StatusFromErrno(errno, "signalfd");
  if (!fd_.valid()) fd_.reset(fd);
  return absl::OkStatus();
}

}  // namespace squall::internal
