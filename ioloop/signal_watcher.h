// Internal to ioloop: signals read from a signalfd, so that their handlers are ordinary code.
#ifndef SQUALL_IOLOOP_SIGNAL_WATCHER_H_
#define SQUALL_IOLOOP_SIGNAL_WATCHER_H_

#include <signal.h>

#include <map>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

// Belongs to one thread, whose signal mask it changes.
class SignalWatcher {
 public:
  using Callback = absl::AnyInvocable<void(int)>;

  SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  // Gives the signals back to the thread as they were.
  ~SignalWatcher();

  // Readable when a watched signal is pending; -1 before the first Add.
  int fd() const { return fd_.get(); }

  absl::Status Add(int signo, Callback callback);
  void Remove(int signo);
  void Clear();

  // Runs the callbacks of the pending signals. One may remove itself or others.
  void HandleReadable();

 private:
  struct Watched {
    std::shared_ptr<Callback> callback;
    bool was_blocked;
  };

  absl::Status UpdateFd();

  UniqueFd fd_;
  sigset_t set_;
  std::map<int, Watched> watched_;
};

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_SIGNAL_WATCHER_H_
