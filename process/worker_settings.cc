#include "squall/process/worker_settings.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "squall/base/status.h"
#include "squall/base/status_macros.h"
#include "squall/base/unique_fd.h"
#include "squall/process/capabilities.h"
#include "squall/process/cpu_affinity.h"
#include "squall/process/privilege_drop.h"
#include "squall/process/resource_limits.h"

namespace squall {
namespace {

constexpr char kOomScoreAdj[] = "/proc/self/oom_score_adj";

absl::StatusOr<std::vector<std::vector<int>>> ResolveListedCpus(
    const std::vector<std::vector<int>>& cpu_sets, const std::vector<int>& allowed) {
  if (cpu_sets.empty()) {
    return absl::InvalidArgumentError(
        "cpu_sets is empty, but cpu_affinity is kListed; list the CPUs of each worker");
  }
  for (size_t i = 0; i < cpu_sets.size(); ++i) {
    if (cpu_sets[i].empty()) {
      return absl::InvalidArgumentError(absl::StrCat("cpu_sets[", i, "] names no CPU"));
    }
    for (const int cpu : cpu_sets[i]) {
      if (std::binary_search(allowed.begin(), allowed.end(), cpu)) continue;
      return absl::InvalidArgumentError(absl::StrCat("cpu_sets[", i, "] names CPU ", cpu,
                                                     "; this process may use ",
                                                     internal::FormatCpus(allowed)));
    }
  }
  return cpu_sets;
}

absl::StatusOr<std::vector<std::vector<int>>> ResolveCpus(const WorkerSettings& settings) {
  if (settings.cpu_affinity != CpuAffinity::kListed && !settings.cpu_sets.empty()) {
    return absl::InvalidArgumentError("cpu_sets is set, but cpu_affinity is not kListed");
  }
  std::vector<std::vector<int>> cpu_sets;
  switch (settings.cpu_affinity) {
    case CpuAffinity::kInherited:
      break;
    case CpuAffinity::kOnePerWorker: {
      ASSIGN_OR_RETURN(const std::vector<int> allowed, internal::AllowedCpus());
      for (const int cpu : allowed) cpu_sets.push_back({cpu});
      break;
    }
    case CpuAffinity::kListed: {
      ASSIGN_OR_RETURN(const std::vector<int> allowed, internal::AllowedCpus());
      ASSIGN_OR_RETURN(cpu_sets, ResolveListedCpus(settings.cpu_sets, allowed));
      break;
    }
  }
  return cpu_sets;
}

absl::Status CheckNice(int nice) {
  if (nice < -20 || nice > 19) {
    return absl::InvalidArgumentError(
        absl::StrCat("nice is between -20 (first served) and 19, not ", nice));
  }
  rlimit limit = {};
  getrlimit(RLIMIT_NICE, &limit);
  // The limit counts the other way round, see getrlimit(2).
  const bool allowed = nice >= getpriority(PRIO_PROCESS, 0) ||
                       static_cast<rlim_t>(20 - nice) <= limit.rlim_cur ||
                       internal::HasCapability(CAP_SYS_NICE);
  if (allowed) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("nice ", nice, " is below ", getpriority(PRIO_PROCESS, 0),
                   ", which this process has, and only root ", "(CAP_SYS_NICE) may lower it"));
}

absl::Status CheckOomScoreAdj(int value) {
  if (value >= -1000 && value <= 1000) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "oom_score_adj is between -1000 (never killed) and 1000 (killed first), not ", value));
}

absl::Status CheckUmask(mode_t mask) {
  if (mask <= 0777) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("umask is at most 0777 (octal), not 0%o", mask));
}

absl::Status CheckDirectory(const std::string& path) {
  struct stat status;
  const std::string what = absl::StrCat("working_directory \"", path, "\"");
  if (stat(path.c_str(), &status) != 0) return StatusFromErrno(errno, what);
  if (S_ISDIR(status.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is not a directory"));
}

absl::Status SetOomScoreAdj(int value) {
  const std::string what = absl::StrCat("oom_score_adj ", value);
  const UniqueFd file(open(kOomScoreAdj, O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return StatusFromErrno(errno, absl::StrCat(what, ": open ", kOomScoreAdj));
  const std::string text = absl::StrCat(value);
  if (write(file.get(), text.data(), text.size()) < 0) return StatusFromErrno(errno, what);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResolvedWorkerSettings> Validate(const WorkerSettings& settings) {
  ResolvedWorkerSettings resolved;
  ASSIGN_OR_RETURN(resolved.cpu_sets, ResolveCpus(settings));
  if (settings.nice.has_value()) RETURN_IF_ERROR(CheckNice(*settings.nice));
  resolved.nice = settings.nice;
  if (settings.oom_score_adj.has_value()) {
    RETURN_IF_ERROR(CheckOomScoreAdj(*settings.oom_score_adj));
  }
  resolved.oom_score_adj = settings.oom_score_adj;
  for (const ResourceLimit& limit : settings.limits) {
    ASSIGN_OR_RETURN(ResolvedLimit one, internal::ResolveLimit(limit));
    resolved.limits.push_back(std::move(one));
  }
  ASSIGN_OR_RETURN(resolved.identity, internal::ResolveIdentity(settings.user, settings.group));
  if (settings.umask.has_value()) RETURN_IF_ERROR(CheckUmask(*settings.umask));
  resolved.umask = settings.umask;
  if (!settings.working_directory.empty()) {
    RETURN_IF_ERROR(CheckDirectory(settings.working_directory));
  }
  resolved.working_directory = settings.working_directory;
  resolved.no_new_privs = settings.no_new_privs;
  return resolved;
}

absl::Status Apply(const ResolvedWorkerSettings& settings, int task_id) {
  if (settings.umask.has_value()) ::umask(*settings.umask);
  if (!settings.cpu_sets.empty()) {
    const size_t turn = static_cast<size_t>(task_id) % settings.cpu_sets.size();
    RETURN_IF_ERROR(internal::RunOnCpus(settings.cpu_sets[turn]));
  }
  if (settings.nice.has_value() && setpriority(PRIO_PROCESS, 0, *settings.nice) != 0) {
    return StatusFromErrno(errno, absl::StrCat("nice ", *settings.nice));
  }
  if (settings.oom_score_adj.has_value()) RETURN_IF_ERROR(SetOomScoreAdj(*settings.oom_score_adj));
  for (const ResolvedLimit& limit : settings.limits) RETURN_IF_ERROR(internal::SetLimit(limit));
  if (settings.identity.has_value()) RETURN_IF_ERROR(internal::DropPrivileges(*settings.identity));
  if (!settings.working_directory.empty() && chdir(settings.working_directory.c_str()) != 0) {
    return StatusFromErrno(errno,
                           absl::StrCat("working_directory \"", settings.working_directory, "\""));
  }
  if (settings.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return StatusFromErrno(errno, "no_new_privs");
  }
  return absl::OkStatus();
}

}  // namespace squall
