// The pool and its workers as an operator reads them.
#ifndef SQUALL_CONTROL_SQUALLCTL_RENDER_H_
#define SQUALL_CONTROL_SQUALLCTL_RENDER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "squall/control/squallctl/table.h"
#include "squall/control/v1/control.pb.h"

namespace squall::internal {

// What a worker's process takes of the machine.
struct ProcessUse {
  std::optional<double> cpu;  // in processors; 1.0 is one that is busy all the time
  uint64_t rss_bytes = 0;
};

// Requests per second, where they are known.
struct Rates {
  bool shown = false;  // Whether there is a column for them.
  std::optional<double> pool;
  std::map<int, double> by_slot;
  bool uses_shown = false;  // Whether there are columns for them.
  std::map<int, ProcessUse> uses;
};

// `squallctl status`: one line for the pool, one for each worker.
std::vector<std::string> RenderStatus(const control::v1::Pool& pool,
                                      const std::vector<control::v1::Worker>& workers,
                                      const Rates& rates, const TableStyle& style);

// `squallctl workers`: all counters of each worker.
std::vector<std::string> RenderWorkers(const std::vector<control::v1::Worker>& workers,
                                       const TableStyle& style);

// `squallctl operations`.
std::vector<std::string> RenderOperations(const std::vector<control::v1::Operation>& operations,
                                          absl::Time now, const TableStyle& style);

// "3 ready, 1 starting, 1 draining"
std::string FormatCounts(const control::v1::Pool& pool);

// "resize to 5 workers", "restart", "drain of worker 3"
std::string FormatOperation(const control::v1::Operation& operation);

// "950ms", "3.2s", "47s", "3m12s", "5h07m", "12d4h".
std::string FormatAge(absl::Duration age);
// "1,234,567"
std::string FormatCount(uint64_t count);
// "0 B", "1.5 kB", "23 MB"
std::string FormatOctets(uint64_t octets);
// "exit 3", "SIGSEGV, core", "boot timeout, SIGKILL"; "-" for none.
std::string FormatExit(const control::v1::Worker& worker);

}  // namespace squall::internal

#endif  // SQUALL_CONTROL_SQUALLCTL_RENDER_H_
