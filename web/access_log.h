// The access log: one line per request, in Tornado's form unless asked otherwise; requests that the
// server answered by itself (400, 408, 413, 431, `OPTIONS *`) and those without an answer (444, 499)
// among them.
//
//   200 GET /path?q=1 (127.0.0.1) 1.23ms
//
//   squall::Settings settings;
//   ASSIGN_OR_RETURN(settings.log_function,
//                    squall::MakeAccessLog({.format = squall::AccessLogFormat::kCombined,
//                                           .path = "/var/log/access.log",
//                                           .slow = absl::Seconds(1)}));
//
// Control characters and octets outside of ASCII are written as escapes in every format, quotes and
// backslashes within quotes, too, so that no request can forge a line. To log otherwise, or not at
// all, give Settings::log_function.
#ifndef SQUALL_WEB_ACCESS_LOG_H_
#define SQUALL_WEB_ACCESS_LOG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "squall/httpserver/http_headers.h"

namespace squall {

// What there is to say about one request that is over. The views are valid during the call that gets
// it.
struct AccessLogEntry {
  // That was sent. Without an answer nginx's numbers: 499 when the client left before, 444 when the
  // server closed the connection before (HttpServer::CloseAllConnections(), the end of a drain).
  int status = 0;
  std::string_view method;  // "-" when the request was refused before it was known, as uri
  std::string_view uri;     // as received
  std::string_view remote_ip;
  absl::Duration request_time;       // from the head's arrival to the answer's end, monotonic
  std::string_view version = {};     // "HTTP/1.1"; empty with method "-"
  uint64_t body_bytes = 0;           // of the answer's body, before chunks; 0 for HEAD
  std::string_view user = {};        // current_user(), if the handler asked for it
  std::string_view request_id = {};  // these three with Settings::trace_requests
  std::string_view trace_id = {};
  std::string_view span_id = {};
  // Of the request, as far as they were read; null with method "-". Not owned.
  const HttpHeaders* headers = nullptr;
};

enum class AccessLogFormat {
  kTornado,   // see above; a request id is appended
  kCommon,    // 127.0.0.1 - alice [30/Nov/2026:06:00:00 +0000] "GET / HTTP/1.1" 200 5
              // with "-" in the place of a request that has no request line
  kCombined,  // the same with "Referer" "User-Agent"
  kJson,      // one object: time, remote_ip, method, uri, status, bytes, ms, and what is known of
              // host, referer, user_agent, user, request_id, trace_id, span_id
};

// The line, without a newline, in Tornado's form.
std::string FormatAccessLogLine(const AccessLogEntry& entry);
// In any; `time` is when the request came.
std::string FormatAccessLogLine(const AccessLogEntry& entry, AccessLogFormat format,
                                absl::Time time);

// Writes the line to the log: below 400 INFO, below 500 WARNING, else ERROR; the default log
// function.
void WriteAccessLog(const AccessLogEntry& entry);

struct AccessLogOptions {
  AccessLogFormat format = AccessLogFormat::kTornado;
  // A file, see base/log_file.h: each line is one write at its end, so that workers share it, and
  // it is reopened with the other logs (SIGUSR1). Empty: the program's log.
  std::string path = {};
  // Requests that take this long are told to the program's log as warnings, too.
  absl::Duration slow = absl::InfiniteDuration();
};

// A log function for Settings. Errors as LogFile::Open(). Open it before the master gives up its
// rights, that is before ForkProcesses().
absl::StatusOr<std::function<void(const AccessLogEntry&)>> MakeAccessLog(
    const AccessLogOptions& options);

}  // namespace squall

#endif  // SQUALL_WEB_ACCESS_LOG_H_
