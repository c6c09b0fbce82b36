#include "squall/control/squallctl/process_use.h"

#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "squall/process/process_stat.h"

namespace squall::internal {
namespace {

// 0: no such process. The name may have blanks and parentheses; the parent's pid comes two words
// behind the last one (proc(5)).
pid_t ParentOf(pid_t pid) {
  FILE* const file = fopen(absl::StrCat("/proc/", pid, "/stat").c_str(), "re");
  if (file == nullptr) return 0;
  char text[512];
  const size_t size = fread(text, 1, sizeof(text), file);
  fclose(file);
  const std::string line(text, size);
  const size_t at = line.rfind(')');
  int parent = 0;
  if (at == std::string::npos || sscanf(line.c_str() + at, ") %*c %d", &parent) != 1) return 0;
  return parent;
}

}  // namespace

std::map<int, ProcessUse> ProcessUseMeter::Measure(const std::vector<control::v1::Worker>& workers,
                                                   absl::Time now) {
  std::map<int, ProcessUse> uses;
  std::map<pid_t, Mark> marks;
  for (const control::v1::Worker& worker : workers) {
    if (worker.pid() == 0 || ParentOf(worker.pid()) != master_pid_) continue;
    const absl::StatusOr<ProcessStat> stat = ReadProcessStat(worker.pid());
    if (!stat.ok()) continue;
    Mark mark{.cpu_time = stat->cpu_time, .at = now, .cpu = std::nullopt};
    if (const auto last = marks_.find(worker.pid()); last != marks_.end()) {
      const absl::Duration elapsed = now - last->second.at;
      if (elapsed >= period_ * 0.9) {
        mark.cpu = absl::FDivDuration(stat->cpu_time - last->second.cpu_time, elapsed);
      } else {
        mark = last->second;
      }
    }
    uses[worker.slot()] = {.cpu = mark.cpu, .rss_bytes = stat->rss_bytes};
    marks[worker.pid()] = mark;
  }
  marks_ = std::move(marks);
  return uses;
}

}  // namespace squall::internal
