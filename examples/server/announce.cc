#include "examples/server/announce.h"

#include <sys/types.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace {

std::string Where(const squall::SocketAddress& address, const std::string& scheme) {
  return address.is_unix() ? address.ToString()
                           : absl::StrCat(scheme, "://", address.ToString(), "/");
}

std::string CurlCommand(const squall::SocketAddress& address, const std::string& scheme) {
  if (!address.is_unix()) return absl::StrCat("curl '", Where(address, scheme), "?sleep=3'");
  const std::string text = address.ToString();
  return absl::StrCat("curl --",
                      text.starts_with("unix:") ? "unix-socket " : "abstract-unix-socket ",
                      text.substr(text.find(':') + 1), " '", scheme, "://localhost/?sleep=3'");
}

}  // namespace

std::string Describe(const Announcement& announcement, const squall::PoolSnapshot& pool) {
  std::vector<std::string> places;
  for (const squall::SocketAddress& address : announcement.addresses) {
    places.push_back(Where(address, announcement.scheme));
  }
  std::vector<pid_t> workers;
  for (const squall::WorkerSnapshot& worker : pool.workers) workers.push_back(worker.slot.pid);
  std::string text = absl::StrCat("serving ", absl::StrJoin(places, " "), "\n");
  if (!announcement.static_root.empty()) {
    absl::StrAppend(&text, "  /static/ is ", announcement.static_root, "\n");
  }
  const std::string& control = announcement.control;
  absl::StrAppend(&text, "  master ", pool.master_pid, ", workers ", absl::StrJoin(workers, " "),
                  "\n  control ", control.empty() ? "none" : control);
  for (const squall::SocketAddress& address : announcement.control_tls) {
    absl::StrAppend(&text, " tls:", address.ToString());
  }
  if (announcement.status.size() > 0) {
    absl::StrAppend(&text, "\n  status ", Where(announcement.status, "http"));
  }
  absl::StrAppend(&text, "\ntry\n  ",
                  CurlCommand(announcement.addresses.front(), announcement.scheme), "\n");
  if (!control.empty()) {
    absl::StrAppend(&text, "  bazel run admin --",
                    announcement.control_is_default ? "" : absl::StrCat(" --address=", control),
                    " resize 4\n");
  }
  return text;
}
