// Internal: tells systemd what a pool does: ready, reloading while it restarts, stopping, and a line
// of status.
//
//   SystemdReporter reporter(SystemdNotifier::FromEnvironment(), options);
//   reporter.Report(pool.pool());   // after each change
//   reporter.ReloadRefused("line 3: no such option");
//   reporter.Tick();                // at next_deadline()
//
// The master's, in its one thread. Never waits.
#ifndef SQUALL_PROCESS_SYSTEMD_REPORTER_H_
#define SQUALL_PROCESS_SYSTEMD_REPORTER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "squall/process/pool_options.h"
#include "squall/process/pool_view.h"
#include "squall/process/sd_notify.h"

namespace squall::internal {

// "3 of 4 workers ready, 1 starting; restarting, 2 to go".
std::string StatusLine(const PoolView& pool);

class SystemdReporter {
 public:
  SystemdReporter(SystemdNotifier notifier, const PoolOptions& options);

  // How long a worker may take to stop, from now on.
  void SetDrain(const DrainOptions& drain);

  void Report(const PoolView& pool);

  // A reload was asked for, and the pool stays as it is. With Type=notify-reload systemd waits until
  // it hears of the reload that it asked for, and of its end.
  void ReloadRefused(std::string_view why);

  MonotonicTime next_deadline() const { return notifier_.next_deadline(); }
  void Tick() { notifier_.Tick(); }

 private:
  SystemdNotifier notifier_;
  // A step of the pool that takes longer than this has gone wrong: TimeoutStopSec and its kin are
  // extended by it.
  absl::Duration ladder_;
  std::string status_;
  bool ready_ = false;
  bool stopping_ = false;
  bool reloading_ = false;
  uint64_t told_restart_ = 0;  // The generation of the last restart that was told; 0: none.
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_SYSTEMD_REPORTER_H_
