// Internal: the master's signals, blocked and read from a signalfd, so that nothing ever runs in a
// signal handler of the master; and the way back for a child, which must not inherit a blocked
// mask.
#ifndef SQUALL_PROCESS_MASTER_SIGNALS_H_
#define SQUALL_PROCESS_MASTER_SIGNALS_H_

#include <signal.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"

namespace squall::internal {

class MasterSignals {
 public:
  // Blocks the master's signals and opens the signalfd. Call it in the single thread of the master.
  static absl::StatusOr<MasterSignals> Create();

  MasterSignals(MasterSignals&&) = default;

  int fd() const { return fd_.get(); }

  // The next signal that came in, or nothing. Never blocks.
  std::optional<int> Next();

  // The master is not to be, after all: dispositions and mask as they were before Create. Signals
  // that came meanwhile are delivered.
  void Undo() const;

  // In a forked child, before it runs anything of the user's: for what the master blocks, default
  // dispositions or handlers that do nothing (IgnoreMastersSignals); SIGPIPE stays ignored, for a
  // closed client or log pipe must not kill a worker. Then the mask that the process had before the
  // master began, less the master's signals.
  void RestoreInChild() const;

 private:
  MasterSignals() = default;
  void SetDisposition(int signo, void (*handler)(int));

  UniqueFd fd_;
  sigset_t mask_before_;
  std::vector<std::pair<int, struct sigaction>> dispositions_before_;
};

}  // namespace squall::internal

#endif  // SQUALL_PROCESS_MASTER_SIGNALS_H_
