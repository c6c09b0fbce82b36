// Tells a SIGKILL of the kernel's out-of-memory killer from one of somebody's hand.
//
//   OomWatch oom = OomWatch::OfProcess(getpid());   // the master; workers are in its control group
//   ... a worker was killed by SIGKILL ...
//   const std::optional<bool> was_oom = oom.SawOomKill(now);   // nothing: unknown
//
// The kernel counts its victims per memory control group (memory.events of cgroup v2, which has
// those of the groups below, too; memory.oom_control of v1), before it kills them. Whom it killed,
// it does not say: a program that a worker has started counts as well. So ask at each SIGKILL, and
// take the answer for what most likely happened.
#ifndef SQUALL_PROCESS_OOM_WATCH_H_
#define SQUALL_PROCESS_OOM_WATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "squall/base/clock.h"

namespace squall {

class OomWatch {
 public:
  // Watches the memory control group that `pid` is in now.
  static OomWatch OfProcess(pid_t pid);

  // Watches the group whose files are in `directory`; "" watches nothing and never knows.
  explicit OomWatch(const std::string& directory);

  // Was a process of the group killed for want of memory since the last look, or since the watch
  // was made? When there were several, the next looks of the same second are told of them. Nothing
  // when the counter cannot be read: no control groups, no such controller, the root group.
  std::optional<bool> SawOomKill(MonotonicTime now);

 private:
  explicit OomWatch(std::vector<std::string> files);

  std::optional<uint64_t> Count() const;

  std::vector<std::string> files_;  // The first one with a counter is it.
  std::optional<uint64_t> seen_;
  uint64_t untold_ = 0;  // Kills of the last look that showed some, which nobody was told of.
  MonotonicTime shown_at_;
};

}  // namespace squall

#endif  // SQUALL_PROCESS_OOM_WATCH_H_
