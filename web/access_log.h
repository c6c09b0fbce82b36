// The access log: one line per finished request, in Tornado's form.
//
//   200 GET /path?q=1 (127.0.0.1) 1.23ms
//
// Below 400 the line is INFO, below 500 WARNING, else ERROR. Control characters and octets outside
// ASCII of the target are written as \xNN, so that a request cannot forge a line. To log otherwise,
// or not at all, give Settings::log_function.
#ifndef SQUALL_WEB_ACCESS_LOG_H_
#define SQUALL_WEB_ACCESS_LOG_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace squall {

// What there is to say about one finished request. The views are valid during the call that gets
// it.
struct AccessLogEntry {
  int status = 0;
  std::string_view method;
  std::string_view uri;  // as received
  std::string_view remote_ip;
  absl::Duration request_time;  // from the head's arrival to the answer's end, monotonic
};

// The line, without a newline.
std::string FormatAccessLogLine(const AccessLogEntry& entry);

// Writes the line to the log at the level of its status; the default log function.
void WriteAccessLog(const AccessLogEntry& entry);

}  // namespace squall

#endif  // SQUALL_WEB_ACCESS_LOG_H_
