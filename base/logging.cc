#include "squall/base/logging.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "squall/base/log_text.h"
#include "squall/base/standard_fds.h"
#include "squall/base/write_without_blocking.h"

namespace squall {
namespace internal {

std::atomic<bool> logging_ready{false};

namespace {

// The task id or role as text. Two relaxed words instead of a lock: a child of fork must be able to
// log whatever another thread of its parent was doing.
constexpr size_t kTagSize = 16;
std::atomic<uint64_t> tag_words[2];

void StoreTag(std::string_view text) {
  char tag[kTagSize] = {};
  const size_t size = std::min(text.size(), kTagSize - 1);
  for (size_t i = 0; i < size; ++i) {
    const unsigned char c = text[i];
    tag[i] = absl::ascii_isalnum(c) || c == '-' || c == '_' ? c : '_';
  }
  uint64_t words[2];
  std::memcpy(words, tag, sizeof words);
  tag_words[0].store(words[0], std::memory_order_relaxed);
  tag_words[1].store(words[1], std::memory_order_relaxed);
}

std::string LoadTag() {
  const uint64_t words[2] = {tag_words[0].load(std::memory_order_relaxed),
                             tag_words[1].load(std::memory_order_relaxed)};
  char tag[kTagSize];
  std::memcpy(tag, words, sizeof tag);
  tag[kTagSize - 1] = '\0';
  return tag[0] == '\0' ? "-" : tag;
}

// "I1123 08:20:11.123456 4711 2 httpserver.cc:99] "
std::string Prefix(google::LogSeverity severity, const google::LogMessageTime& time, pid_t pid,
                   const char* file, int line) {
  char prefix[160];
  const int size = std::snprintf(
      prefix, sizeof prefix, "%c%02d%02d %02d:%02d:%02d.%06d %d %s %s:%d] ",
      google::GetLogSeverityName(severity)[0], time.month() + 1, time.day(), time.hour(),
      (time.min)(), time.sec(), time.usec(), pid, LoadTag().c_str(), file, line);
  return std::string(prefix, std::min<size_t>(size, sizeof prefix - 1));
}

// glog calls it with a lock held, one message after the other.
class StderrSink : public google::LogSink {
 public:
  using google::LogSink::send;
  void send(google::LogSeverity severity, const char* /*full_filename*/, const char* base_filename,
            int line, const google::LogMessageTime& time, const char* message,
            size_t message_size) override {
    const int preserved_errno = errno;
    const pid_t pid = ::getpid();
    if (pid != pid_) {  // What the parent dropped is the parent's to tell.
      pid_ = pid;
      dropped_ = 0;
      torn_ = false;
    }
    std::string text;
    if (torn_) text.push_back('\n');
    if (dropped_ > 0) {
      text += Prefix(google::GLOG_WARNING, time, pid, "logging.cc", __LINE__);
      text += absl::StrCat(dropped_, dropped_ == 1 ? " line" : " lines",
                           " dropped here: stderr had no room\n");
    }
    text += Prefix(severity, time, pid, base_filename, line);
    AppendLogText(std::string_view(message, message_size), text);
    text.push_back('\n');
    // One call keeps the lines of several processes apart.
    const bool fatal = severity == google::GLOG_FATAL;
    const absl::Duration patience = fatal ? absl::Milliseconds(100) : Patience();
    const size_t written = WriteWithoutBlocking(STDERR_FILENO, text, patience);
    if (written == text.size()) {
      dropped_ = 0;
      torn_ = false;
    } else {
      ++dropped_;
      if (written > 0) torn_ = text[written - 1] != '\n';
    }
    // The stack trace that follows is written by glog, which would wait for ever.
    if (fatal) MakeOwnNonBlocking(STDERR_FILENO);
    errno = preserved_errno;
  }

 private:
  // A terminal refuses for the moment that another process writes to it; once it has been found
  // stopped, nothing waits for it.
  absl::Duration Patience() const {
    return dropped_ == 0 && ::isatty(STDERR_FILENO) == 1 ? absl::Milliseconds(10)
                                                         : absl::ZeroDuration();
  }

  pid_t pid_ = 0;
  uint64_t dropped_ = 0;
  bool torn_ = false;  // The last that was written was a line without its end.
};

std::mutex& InitMutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

void InitLoggingLocked(const LoggingOptions* options) {
  static bool own_log = false;
  if (!logging_ready.load(std::memory_order_relaxed)) {
    OpenStandardFds();
    if (!google::IsGoogleLoggingInitialized()) {
      own_log = true;
      google::InitGoogleLogging(program_invocation_short_name);
      // glog's own outputs are switched off: it can neither escape a message nor name the task.
      FLAGS_logtostderr = false;
      FLAGS_alsologtostderr = false;
      FLAGS_stderrthreshold = google::NUM_SEVERITIES;
      for (int severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
        google::SetLogDestination(severity, "");
      }
      google::AddLogSink(new StderrSink);
    }
  }
  if (own_log && options != nullptr) {
    FLAGS_minloglevel = static_cast<int>(options->min_level);
    FLAGS_v = options->verbosity;
  }
  logging_ready.store(true, std::memory_order_release);
}

}  // namespace

void InitLoggingOnce() {
  const int preserved_errno = errno;
  {
    std::lock_guard<std::mutex> lock(InitMutex());
    InitLoggingLocked(nullptr);
  }
  errno = preserved_errno;
}

}  // namespace internal

void InitLogging(const LoggingOptions& options) {
  std::lock_guard<std::mutex> lock(internal::InitMutex());
  internal::InitLoggingLocked(&options);
}

void SetLogTaskId(std::optional<int> task_id) {
  internal::StoreTag(task_id.has_value() ? std::to_string(*task_id) : std::string());
}

void SetLogRole(std::string_view role) { internal::StoreTag(role); }

}  // namespace squall
