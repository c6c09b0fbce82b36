#include "squall/control/status/control_metrics.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <system_error>

#include "absl/time/time.h"
#include "squall/base/version.h"
#include "squall/process/process_stat.h"

namespace squall::internal {
namespace {

using enum MetricType;

size_t EntriesOf(const char* directory) {
  size_t entries = 0;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  const std::filesystem::directory_iterator end;
  while (!error && entry != end) {
    ++entries;
    entry.increment(error);
  }
  return entries;
}

}  // namespace

void AppendControlMetrics(const ControlCounts& counts, MetricsText& text) {
  text.Family("squall_build_info", kGauge, "1; the label has the release of squall.");
  text.Sample(1, {{"version", kVersion}});
  text.Family("squall_control_start_time_seconds", kGauge,
              "When the control process started, in seconds since 1970.");
  text.Sample(absl::ToDoubleSeconds(counts.started_at - absl::UnixEpoch()));
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  text.Family("squall_control_cpu_seconds_total", kCounter,
              "User and system time of the control process.");
  text.Sample(absl::DurationFromTimeval(used.ru_utime) + absl::DurationFromTimeval(used.ru_stime));
  text.Family("squall_control_resident_memory_bytes", kGauge,
              "Resident memory of the control process, shared pages included.");
  if (const auto stat = ReadProcessStat(getpid()); stat.ok()) text.Sample(stat->rss_bytes);
  text.Family("squall_control_threads", kGauge, "Threads of the control process.");
  text.Sample(EntriesOf("/proc/self/task"));
  text.Family("squall_control_open_fds", kGauge, "Open descriptors of the control process.");
  text.Sample(EntriesOf("/proc/self/fd"));
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  text.Family("squall_control_max_fds", kGauge, "Descriptors that the control process may have.");
  text.Sample(limit.rlim_cur);
  text.Family(
      "squall_control_refused_connections_total", kCounter,
      "Connections to the control plane that were refused, for lack of a role most of all.");
  text.Sample(counts.refused_connections);
  text.Family("squall_control_watches", kGauge, "Open WatchPool calls.");
  text.Sample(counts.watches);
  text.Family("squall_control_waits", kGauge, "Calls that wait for the pool or an operation.");
  text.Sample(counts.waits);
}

}  // namespace squall::internal
