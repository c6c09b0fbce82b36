// Internal to ioloop: keeps the SIGPIPE of a write from this thread. writev and sendfile have no
// MSG_NOSIGNAL, and the disposition of the signal is the program's.
//
//   const internal::SigpipeHeldBack held_back;
//   const ssize_t written = ::writev(pipe, buffers, count);
//   if (written < 0 && errno == EPIPE) held_back.Discard();
#ifndef SQUALL_IOLOOP_SIGPIPE_HELD_BACK_H_
#define SQUALL_IOLOOP_SIGPIPE_HELD_BACK_H_

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

namespace squall::internal {

class SigpipeHeldBack {
 public:
  SigpipeHeldBack() {
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &mask_before_);
    if (::sigismember(&mask_before_, SIGPIPE) == 1) {
      sigset_t pending;
      ::sigpending(&pending);
      was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    }
  }
  SigpipeHeldBack(const SigpipeHeldBack&) = delete;
  SigpipeHeldBack& operator=(const SigpipeHeldBack&) = delete;
  ~SigpipeHeldBack() { ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr); }

  // After a write that did not take all; sendfile may have met EPIPE behind octets that it took.
  // Leaves errno alone.
  void Discard() const {
    if (was_pending_) return;
    const int saved = errno;
    const timespec at_once = {};
    while (::sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    errno = saved;
  }

 private:
  sigset_t sigpipe_;
  sigset_t mask_before_;
  bool was_pending_ = false;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SIGPIPE_HELD_BACK_H_
