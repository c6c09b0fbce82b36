// Processor time and memory of workers, which the control API does not tell: read from /proc by a
// client on the same machine.
//
//   ProcessUseMeter meter;
//   const std::map<int, ProcessUse> by_slot = meter.Measure(workers, absl::Now());
#ifndef SQUALL_CONTROL_SQUALLCTL_PROCESS_USE_H_
#define SQUALL_CONTROL_SQUALLCTL_PROCESS_USE_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "squall/control/squallctl/render.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

class ProcessUseMeter {
 public:
  // `master_pid` as the server says it: only its children are looked at, for in another name space of
  // processes the pids would be those of others. Processor time is taken over at least `period`.
  ProcessUseMeter(pid_t master_pid, absl::Duration period)
      : master_pid_(master_pid), period_(period) {}

  // By slot; without those that cannot be seen from here.
  std::map<int, ProcessUse> Measure(const std::vector<control::v1::Worker>& workers,
                                    absl::Time now);

 private:
  struct Mark {
    absl::Duration cpu_time;
    absl::Time at;
    std::optional<double> cpu;
  };

  const pid_t master_pid_;
  const absl::Duration period_;
  std::map<pid_t, Mark> marks_;
};

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_PROCESS_USE_H_
