#include "squall/web/access_log.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "squall/base/logging.h"

namespace squall {

namespace {

void AppendEscaped(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const uint8_t octet = c;
    if (octet >= 0x20 && octet < 0x7F) {
      out.push_back(c);
    } else {
      out.append("\\x");
      out.push_back(kHex[octet >> 4]);
      out.push_back(kHex[octet & 15]);
    }
  }
}

}  // namespace

std::string FormatAccessLogLine(const AccessLogEntry& entry) {
  std::string line = absl::StrCat(entry.status, " ");
  AppendEscaped(entry.method, line);
  line.push_back(' ');
  AppendEscaped(entry.uri, line);
  line.append(" (");
  AppendEscaped(entry.remote_ip, line);
  absl::StrAppendFormat(&line, ") %.2fms", absl::ToDoubleMilliseconds(entry.request_time));
  return line;
}

void WriteAccessLog(const AccessLogEntry& entry) {
  if (entry.status < 400) {
    LOG(INFO) << FormatAccessLogLine(entry);
  } else if (entry.status < 500) {
    LOG(WARNING) << FormatAccessLogLine(entry);
  } else {
    LOG(ERROR) << FormatAccessLogLine(entry);
  }
}

}  // namespace squall
