#include "squall/web/access_log.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "squall/base/log_file.h"
#include "squall/base/logging.h"
#include "squall/base/status_macros.h"
#include "squall/base/string_view.h"
#include "squall/web/utf8.h"

namespace squall {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// `quoted`: the text stands in quotes, so that quotes and backslashes are escaped, too.
void AppendEscaped(std::string_view text, bool quoted, std::string& out) {
  for (const char c : text) {
    const uint8_t octet = c;
    if (quoted && (c == '"' || c == '\\')) {
      out.push_back('\\');
      out.push_back(c);
    } else if (octet >= 0x20 && octet < 0x7F) {
      out.push_back(c);
    } else {
      out.append("\\x");
      out.push_back(kHex[octet >> 4]);
      out.push_back(kHex[octet & 15]);
    }
  }
}

// One word: "-" for nothing, and no spaces.
void AppendWord(std::string_view text, std::string& out) {
  if (text.empty()) out.push_back('-');
  for (const char c : text) {
    if (c == ' ') {
      out.append("\\x20");
    } else {
      AppendEscaped({&c, 1}, true, out);
    }
  }
}

void AppendQuoted(std::string_view text, std::string& out) {
  out.push_back('"');
  AppendEscaped(text.empty() ? "-" : text, true, out);
  out.push_back('"');
}

std::string_view Field(const AccessLogEntry& entry, std::string_view name) {
  return entry.headers == nullptr ? "" : entry.headers->Get(name).value_or("");
}

std::string CommonLine(const AccessLogEntry& entry, bool combined, absl::Time time) {
  std::string line;
  AppendWord(entry.remote_ip, line);
  line.append(" - ");
  AppendWord(entry.user, line);
  absl::StrAppend(&line,
                  absl::FormatTime(" [%d/%b/%Y:%H:%M:%S +0000] \"", time, absl::UTCTimeZone()));
  AppendEscaped(entry.method, true, line);
  // What was refused before it had a request line is "-" alone, as nginx writes it.
  if (entry.method != "-") {
    line.push_back(' ');
    AppendEscaped(entry.uri, true, line);
  }
  if (!entry.version.empty()) {
    line.push_back(' ');
    AppendEscaped(entry.version, true, line);
  }
  absl::StrAppend(&line, "\" ", entry.status, " ", entry.body_bytes);
  if (combined) {
    line.push_back(' ');
    AppendQuoted(Field(entry, "Referer"), line);
    line.push_back(' ');
    AppendQuoted(Field(entry, "User-Agent"), line);
  }
  return line;
}

void AppendJsonEscape(uint32_t utf16_unit, std::string& out) {
  absl::StrAppend(&out, "\\u", absl::Hex(utf16_unit, absl::kZeroPad4));
}

// Text that is not UTF-8 has a character for each octet.
void AppendJsonText(std::string_view text, std::string& out) {
  const bool utf8 = internal::IsValidUtf8(text);
  out.push_back('"');
  while (!text.empty()) {
    const uint8_t octet = text.front();
    if (octet == '"' || octet == '\\') {
      out.push_back('\\');
      out.push_back(text.front());
      text.remove_prefix(1);
    } else if (octet >= 0x20 && octet < 0x7F) {
      out.push_back(text.front());
      text.remove_prefix(1);
    } else if (utf8) {
      const uint32_t character = internal::TakeUtf8Character(text);
      if (character < 0x10000) {
        AppendJsonEscape(character, out);
      } else {
        AppendJsonEscape(0xD800 + ((character - 0x10000) >> 10), out);
        AppendJsonEscape(0xDC00 + ((character - 0x10000) & 0x3FF), out);
      }
    } else {
      AppendJsonEscape(octet, out);
      text.remove_prefix(1);
    }
  }
  out.push_back('"');
}

std::string JsonLine(const AccessLogEntry& entry, absl::Time time) {
  std::string line = absl::StrCat(
      "{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()), "\"");
  const auto add = [&line](const char* name, std::string_view text) {
    if (text.empty()) return;
    absl::StrAppend(&line, ",\"", name, "\":");
    AppendJsonText(text, line);
  };
  add("remote_ip", entry.remote_ip);
  add("method", entry.method);
  add("uri", entry.uri);
  add("version", entry.version);
  absl::StrAppendFormat(&line, ",\"status\":%d,\"bytes\":%d,\"ms\":%.3f", entry.status,
                        entry.body_bytes, absl::ToDoubleMilliseconds(entry.request_time));
  add("host", Field(entry, "Host"));
  add("referer", Field(entry, "Referer"));
  add("user_agent", Field(entry, "User-Agent"));
  add("user", entry.user);
  add("request_id", entry.request_id);
  add("trace_id", entry.trace_id);
  add("span_id", entry.span_id);
  line.push_back('}');
  return line;
}

std::string TornadoLine(const AccessLogEntry& entry) {
  std::string line = absl::StrCat(entry.status, " ");
  AppendEscaped(entry.method, false, line);
  line.push_back(' ');
  AppendEscaped(entry.uri, false, line);
  line.append(" (");
  AppendEscaped(entry.remote_ip, false, line);
  absl::StrAppendFormat(&line, ") %.2fms", absl::ToDoubleMilliseconds(entry.request_time));
  if (!entry.request_id.empty()) absl::StrAppend(&line, " id=", ToAbsl(entry.request_id));
  return line;
}

void WriteToLog(int status, const std::string& line) {
  if (status < 400) {
    LOG(INFO) << line;
  } else if (status < 500) {
    LOG(WARNING) << line;
  } else {
    LOG(ERROR) << line;
  }
}

}  // namespace

std::string FormatAccessLogLine(const AccessLogEntry& entry) { return TornadoLine(entry); }

std::string FormatAccessLogLine(const AccessLogEntry& entry, AccessLogFormat format,
                                absl::Time time) {
  switch (format) {
    case AccessLogFormat::kTornado:
      return TornadoLine(entry);
    case AccessLogFormat::kCommon:
      return CommonLine(entry, false, time);
    case AccessLogFormat::kCombined:
      return CommonLine(entry, true, time);
    case AccessLogFormat::kJson:
      return JsonLine(entry, time);
  }
  return "";
}

void WriteAccessLog(const AccessLogEntry& entry) { WriteToLog(entry.status, TornadoLine(entry)); }

absl::StatusOr<std::function<void(const AccessLogEntry&)>> MakeAccessLog(
    const AccessLogOptions& options) {
  // std::function wants to be copied.
  std::shared_ptr<LogFile> file;
  if (!options.path.empty()) {
    ASSIGN_OR_RETURN(file, LogFile::Open(options.path));
  }
  return [file, format = options.format, slow = options.slow](const AccessLogEntry& entry) {
    const std::string line = FormatAccessLogLine(entry, format, absl::Now() - entry.request_time);
    if (file != nullptr) {
      file->Write(line);
    } else {
      WriteToLog(entry.status, line);
    }
    if (entry.request_time >= slow) LOG(WARNING) << "slow request: " << TornadoLine(entry);
  };
}

}  // namespace squall
