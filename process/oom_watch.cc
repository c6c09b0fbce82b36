#include "squall/process/oom_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "squall/base/unique_fd.h"
#include "squall/process/cgroup.h"

namespace squall {
namespace {

// Victims of one shortage die together, and a master sees them one after the other.
constexpr absl::Duration kSameShortage = absl::Seconds(1);

std::optional<uint64_t> OomKills(const std::string& path) {
  // A replacement waits for this, so one read and nothing of iostreams. The files have a few short
  // lines, each of a name and a number.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  char text[1024];
  const ssize_t size = read(file.get(), text, sizeof text);
  if (size <= 0) return std::nullopt;
  const absl::string_view lines(text, static_cast<size_t>(size));
  for (absl::string_view line : absl::StrSplit(lines, '\n')) {
    uint64_t count;
    if (absl::ConsumePrefix(&line, "oom_kill ") && absl::SimpleAtoi(line, &count)) return count;
  }
  return std::nullopt;
}

}  // namespace

OomWatch OomWatch::OfProcess(pid_t pid) {
  std::vector<std::string> files;
  for (const internal::Cgroup& group : internal::CgroupsOf("", absl::StrCat(pid), "memory")) {
    files.push_back(group.directory() + (group.v2 ? "/memory.events" : "/memory.oom_control"));
  }
  return OomWatch(std::move(files));
}

OomWatch::OomWatch(const std::string& directory)
    : OomWatch(directory.empty()
                   ? std::vector<std::string>()
                   : std::vector{directory + "/memory.events", directory + "/memory.oom_control"}) {
}

OomWatch::OomWatch(std::vector<std::string> files) : files_(std::move(files)), seen_(Count()) {}

std::optional<uint64_t> OomWatch::Count() const {
  for (const std::string& file : files_) {
    const std::optional<uint64_t> count = OomKills(file);
    if (count.has_value()) return count;
  }
  return std::nullopt;
}

std::optional<bool> OomWatch::SawOomKill(MonotonicTime now) {
  const std::optional<uint64_t> count = Count();
  const std::optional<uint64_t> before = std::exchange(seen_, count);
  if (!count.has_value()) return std::nullopt;
  if (now > shown_at_ + kSameShortage) untold_ = 0;
  // One that was not there before, or that goes back, belongs to a new group: a new start.
  if (before.has_value() && *count > *before) {
    untold_ += *count - *before;
    shown_at_ = now;
  }
  if (untold_ == 0) return false;
  --untold_;
  return true;
}

}  // namespace squall
