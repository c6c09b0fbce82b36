// Collects this process's log messages while it lives. Tests only.
//
//   squall::LogCapture log;
//   loop.AddCallback([] { throw std::runtime_error("boom"); });
//   ...
//   EXPECT_THAT(log.messages(), testing::Contains(testing::HasSubstr("boom")));
//
// The messages still go to stderr. Any thread may log meanwhile; read it from one.
#ifndef SQUALL_BASE_LOG_CAPTURE_H_
#define SQUALL_BASE_LOG_CAPTURE_H_

#include <mutex>
#include <string>
#include <vector>

#include "squall/base/logging.h"

namespace squall {

class LogCapture : private google::LogSink {
 public:
  LogCapture() {
    internal::EnsureLogging();
    google::AddLogSink(this);
  }
  ~LogCapture() override { google::RemoveLogSink(this); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // "I text", "W text", "E text" in the order they were logged.
  std::vector<std::string> messages() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return messages_;
  }

 private:
  using google::LogSink::send;
  void send(google::LogSeverity severity, const char*, const char*, int,
            const google::LogMessageTime&, const char* message, size_t size) override {
    std::lock_guard<std::mutex> lock(mutex_);
    messages_.push_back(std::string(1, google::GetLogSeverityName(severity)[0]) + " " +
                        std::string(message, size));
  }

  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

}  // namespace squall

#endif  // SQUALL_BASE_LOG_CAPTURE_H_
