#include "squall/process/process_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/status.h"
#include "squall/base/string_view.h"
#include "squall/base/unique_fd.h"

namespace squall {
namespace {

// The fields of proc(5) that are read, counted from the state, which is the third.
enum Field : size_t { kState = 0, kUserTicks = 11, kSystemTicks = 12, kRssPages = 21 };

absl::StatusOr<ProcessStat> ReadStat(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return StatusFromErrno(errno, path);
  // The kernel makes the whole line at the first read; 52 numbers and a name fit.
  char line[2048];
  const ssize_t size = read(fd.get(), line, sizeof(line));
  if (size < 0) return StatusFromErrno(errno, path);
  return internal::ParseProcessStat({line, static_cast<size_t>(size)}, sysconf(_SC_CLK_TCK),
                                    sysconf(_SC_PAGESIZE));
}

}  // namespace

namespace internal {

absl::StatusOr<ProcessStat> ParseProcessStat(std::string_view line, int64_t ticks_per_second,
                                             int64_t page_bytes) {
  const auto malformed = [line] {
    return absl::InvalidArgumentError(
        absl::StrCat("not a line of /proc/PID/stat: \"", absl::CHexEscape(ToAbsl(line)), "\""));
  };
  // "12 (name) S 1 …": the name is the program's to choose, with ") R 1" in it if it likes, but no
  // parenthesis comes after it.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string_view::npos) return malformed();
  const std::vector<absl::string_view> fields =
      absl::StrSplit(ToAbsl(line.substr(name_end + 1)), ' ', absl::SkipEmpty());
  int64_t user, system, rss;
  if (fields.size() <= kRssPages || fields[kState].size() != 1 ||
      !absl::SimpleAtoi(fields[kUserTicks], &user) ||
      !absl::SimpleAtoi(fields[kSystemTicks], &system) ||
      !absl::SimpleAtoi(fields[kRssPages], &rss) || user < 0 || system < 0 || rss < 0) {
    return malformed();
  }
  return ProcessStat{.state = fields[kState][0],
                     .cpu_time = absl::Seconds(1) * (user + system) / ticks_per_second,
                     .rss_bytes = static_cast<uint64_t>(rss) * static_cast<uint64_t>(page_bytes)};
}

}  // namespace internal

absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid) {
  return ReadStat(absl::StrCat("/proc/", pid, "/stat"));
}

absl::StatusOr<ProcessStat> ReadMainThreadStat(pid_t pid) {
  return ReadStat(absl::StrCat("/proc/", pid, "/task/", pid, "/stat"));
}

}  // namespace squall
