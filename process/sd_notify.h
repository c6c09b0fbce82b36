// Tells systemd how the service is: sd_notify(3).
//
//   SystemdNotifier systemd = SystemdNotifier::FromEnvironment();   // master, before threads, forks
//   systemd.Ready();                                   // the pool serves
//   systemd.Status("4 of 4 workers ready");
//   ... wait until systemd.next_deadline() at the latest, then
//   systemd.Tick();                                    // the watchdog, if the unit has WatchdogSec=
//   systemd.Stopping();
//   systemd.ExtendTimeout(absl::Seconds(30));          // a drain that takes longer than usual
//
// Not by libsystemd: the protocol is one datagram of text to the unix socket in $NOTIFY_SOCKET,
// which systemd promises to keep, and thirty lines of it are no reason for a dependency.
//
// Without systemd every method does nothing. None ever waits: what systemd has no room for is kept
// and sent again by Tick(). Only the process that made a notifier notifies; in its forked children
// it does nothing, and $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID are gone from the
// environment, so that neither workers nor programs they start are mistaken for the service.
#ifndef SQUALL_PROCESS_SD_NOTIFY_H_
#define SQUALL_PROCESS_SD_NOTIFY_H_

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "squall/base/clock.h"
#include "squall/base/unique_fd.h"

namespace squall {

class SystemdNotifier {
 public:
  // Reads the three variables and removes them from the environment. A value that makes no sense is
  // logged and taken for none. `clock` must outlive the notifier.
  static SystemdNotifier FromEnvironment(Clock& clock = Clock::Real());

  // Is there somebody to notify?
  bool active() const { return socket_.valid(); }

  // READY=1: the service has started, or its reload is done.
  void Ready();
  // RELOADING=1 with MONOTONIC_USEC: a reload begins; Ready() ends it. At once after the request
  // for it was received, for Type=notify-reload compares the time.
  void Reloading();
  // STOPPING=1: the service began to stop.
  void Stopping();
  // STATUS=: one line for `systemctl status`. Control characters become spaces; what is longer than
  // 512 octets is cut.
  void Status(std::string_view text);
  // EXTEND_TIMEOUT_USEC=: starting, reloading or stopping will take `by` from now on. The next one
  // has to come before that is over.
  void ExtendTimeout(absl::Duration by);
  // MAINPID=: from now on `pid` is the service's main process.
  void MainPid(pid_t pid);

  // When Tick() has something to do: to tell the watchdog, twice in its period (WATCHDOG=1), or to
  // send again what systemd had no room for. Infinite() when there is nothing.
  MonotonicTime next_deadline() const;
  // Does what is due; may be called at any time.
  void Tick();

 private:
  enum class Sent { kYes, kLater };

  SystemdNotifier(std::string address, std::optional<absl::Duration> watchdog, Clock& clock);

  void Send(std::string message);
  Sent TrySend(std::string_view message);
  void SendUnsent();

  Clock* clock_;
  pid_t owner_;
  std::string address_;  // As in sun_path: an abstract one begins with NUL. Empty: none.
  UniqueFd socket_;
  std::optional<absl::Duration> watchdog_interval_;
  MonotonicTime next_watchdog_ = MonotonicTime::Infinite();
  std::deque<std::string> unsent_;
  MonotonicTime next_attempt_ =
      MonotonicTime::Infinite();  // Finite while there is something unsent.
  bool failure_logged_ = false;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_SD_NOTIFY_H_
