// Tests only: an access log to wait for.
//
//   squall::AwaitLines lines;
//   Application app(rules, {.log_function = lines.log_function()});
//   EXPECT_THAT(lines.Await(1), ElementsAre("404 GET /x 127.0.0.1"));
//
// The server's thread writes, the test's waits.
#ifndef SQUALL_WEB_AWAIT_LINES_H_
#define SQUALL_WEB_AWAIT_LINES_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "squall/base/string_view.h"
#include "squall/web/access_log.h"

namespace squall {

class AwaitLines {
 public:
  using Format = std::function<std::string(const AccessLogEntry&)>;
  explicit AwaitLines(Format format = Brief) : format_(std::move(format)) {}

  std::function<void(const AccessLogEntry&)> log_function() {
    return [this](const AccessLogEntry& entry) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(format_(entry));
      more_.notify_all();
    };
  }

  // All lines so far, as soon as there are `count`; fewer after twenty seconds.
  std::vector<std::string> Await(size_t count) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  static std::string Brief(const AccessLogEntry& entry) {
    return absl::StrCat(entry.status, " ", ToAbsl(entry.method), " ", ToAbsl(entry.uri), " ",
                        ToAbsl(entry.remote_ip));
  }

  const Format format_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::string> lines_;
};

}  // namespace squall

#endif  // SQUALL_WEB_AWAIT_LINES_H_
