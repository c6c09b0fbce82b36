// Logging and assertions: the one file that names the logging library (glog).
//
//   LOG(INFO) << "serving on " << address;
//   PLOG(WARNING) << "accept on " << address;   // adds strerror(errno)
//   VLOG(1) << "details for developers";
//   CHECK_GE(fd, 0) << "socket was moved away";
//
// A line names level, date and time (local), process, task id and place:
//
//   I1123 08:20:11.123456 4711 2 httpserver.cc:99] serving on 127.0.0.1:8090
//
// The task id is what SetLogTaskId or SetLogRole said in this process, "-" before. A message is
// always one line: line feeds and other control characters in it are written as \n or \xHH, so that
// no peer forges lines or steers a terminal. One write(2) per line, to stderr; base/log_file.h
// makes a file of it.
//
// Logging never waits for the reader of stderr (a pipe that nobody reads, a stopped terminal), nor
// does it set O_NONBLOCK, which other processes would share. A line that finds no room is dropped
// and counted; the next one that gets through comes after a line that tells how many:
//
//   W1123 08:20:12.654321 4711 2 logging.cc:81] 12 lines dropped here: stderr had no room
//
// FATAL and a failed CHECK wait for room too, 100 ms at most.
//
// Macros: LOG, PLOG, VLOG, DLOG, LOG_IF, LOG_FIRST_N, LOG_EVERY_N, LOG_EVERY_T, CHECK, PCHECK,
// CHECK_EQ/NE/LT/.., DCHECK and its family. Any thread. FATAL and a failed CHECK abort with a stack
// trace.
//
// Never include it from a public header: the macros' names are too common.
#ifndef SQUALL_BASE_LOGGING_H_
#define SQUALL_BASE_LOGGING_H_

#include <glog/logging.h>

#include <atomic>
#include <optional>
#include <string_view>

namespace squall {

enum class LogLevel { kInfo = 0, kWarning = 1, kError = 2 };

struct LoggingOptions {
  // Messages below it are dropped; FATAL never is.
  LogLevel min_level = LogLevel::kInfo;
  // VLOG(n) is written for n <= verbosity.
  int verbosity = 0;
};

// Sends this process's log to stderr in the form above. Called again, it only applies the options.
// IOLoop, ForkProcesses and the first LOG call it with the defaults when the program did not. A
// program that has initialised glog itself keeps its own set-up: then it does nothing.
void InitLogging(const LoggingOptions& options = {});

// The number in each line from now on; nullopt is "-". Set by ForkProcesses in each worker.
void SetLogTaskId(std::optional<int> task_id);

// A word instead of the number, for processes that are no worker: "master", "control". At most 15
// letters are kept; characters other than letters, digits, '-' and '_' become '_'.
void SetLogRole(std::string_view role);

namespace internal {

extern std::atomic<bool> logging_ready;
void InitLoggingOnce();

// Makes the first LOG of a program initialise the log instead of warning that nobody did.
inline void EnsureLogging() {
  if (!logging_ready.load(std::memory_order_acquire)) [[unlikely]]
    InitLoggingOnce();
}

}  // namespace internal
}  // namespace squall

#undef LOG
#define LOG(severity) (::squall::internal::EnsureLogging(), COMPACT_GOOGLE_LOG_##severity).stream()

#undef PLOG
#define PLOG(severity) (::squall::internal::EnsureLogging(), GOOGLE_PLOG(severity, 0)).stream()

#endif  // SQUALL_BASE_LOGGING_H_
