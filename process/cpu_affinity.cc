#include "squall/process/cpu_affinity.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/base/status.h"

namespace squall::internal {
namespace {

constexpr size_t kMostCpus = size_t{1} << 20;

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, FreeCpuSet>;

}  // namespace

absl::StatusOr<std::vector<int>> AllowedCpus() {
  // The kernel's mask may be larger than a cpu_set_t; it says so with EINVAL.
  for (size_t cpus = CPU_SETSIZE;; cpus *= 2) {
    const CpuSet set(CPU_ALLOC(cpus));
    const size_t size = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(size, set.get());
    if (sched_getaffinity(0, size, set.get()) != 0) {
      if (errno == EINVAL && cpus < kMostCpus) continue;
      return StatusFromErrno(errno, "sched_getaffinity");
    }
    std::vector<int> allowed;
    for (size_t cpu = 0; cpu < cpus; ++cpu) {
      if (CPU_ISSET_S(cpu, size, set.get())) allowed.push_back(static_cast<int>(cpu));
    }
    return allowed;
  }
}

absl::Status RunOnCpus(const std::vector<int>& cpus) {
  const auto count = static_cast<size_t>(*std::max_element(cpus.begin(), cpus.end())) + 1;
  const CpuSet set(CPU_ALLOC(count));
  const size_t size = CPU_ALLOC_SIZE(count);
  CPU_ZERO_S(size, set.get());
  for (const int cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), size, set.get());
  if (sched_setaffinity(0, size, set.get()) != 0) {
    return StatusFromErrno(errno, absl::StrCat("sched_setaffinity to CPU ", FormatCpus(cpus)));
  }
  return absl::OkStatus();
}

std::string FormatCpus(const std::vector<int>& cpus) {
  std::string text;
  for (size_t first = 0; first < cpus.size();) {
    size_t last = first;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ",", cpus[first]);
    if (last > first) absl::StrAppend(&text, "-", cpus[last]);
    first = last + 1;
  }
  return text;
}

}  // namespace squall::internal
