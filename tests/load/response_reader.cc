#include "squall/tests/load/response_reader.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "squall/base/string_view.h"

namespace squall::testing {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr size_t kMaxHead = 64 * 1024;

bool IsTokenChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace

ResponseReader::Progress ResponseReader::Take(std::string_view octets) {
  text_.append(octets);
  if (head_size_ == 0) {
    const size_t end = text_.find(kEndOfHead);
    if (end == std::string::npos) {
      if (text_.size() > kMaxHead) return Malformed("a head without an end", text_.substr(0, 80));
      return Progress::kPartial;
    }
    head_size_ = end + kEndOfHead.size();
    if (!ReadHead(std::string_view(text_).substr(0, end))) return Progress::kMalformed;
  }
  if (body().size() > body_size_) {
    return Malformed("octets behind the answer", body().substr(body_size_, 80));
  }
  return body().size() == body_size_ ? Progress::kComplete : Progress::kPartial;
}

void ResponseReader::StartNext() {
  text_.clear();
  head_size_ = body_size_ = 0;
  status_ = 0;
  has_length_ = close_ = false;
  fault_.clear();
}

ResponseReader::Progress ResponseReader::Malformed(std::string_view what, std::string_view line) {
  Refuse(what, line);
  return Progress::kMalformed;
}

bool ResponseReader::Refuse(std::string_view what, std::string_view line) {
  fault_ = absl::StrCat(ToAbsl(what), ": ", ToAbsl(line));
  return false;
}

bool ResponseReader::ReadHead(std::string_view head) {
  bool first = true;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(head), "\r\n")) {
    const std::string_view line(part.data(), part.size());
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return Refuse("a bare CR, LF or NUL", line);
    }
    if (!first) {
      if (!ReadField(line)) return false;
      continue;
    }
    first = false;
    const bool status_line = line.substr(0, 9) == "HTTP/1.1 " && line.size() >= 13 &&
                             AllDigits(line.substr(9, 3)) && line[12] == ' ';
    if (!status_line) return Refuse("no status line", line);
    status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  }
  const bool has_body = status_ >= 200 && status_ != 204 && status_ != 304;
  if (has_body && !has_length_) {
    return Refuse("no Content-Length", head.substr(0, 80));
  }
  return true;
}

bool ResponseReader::ReadField(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() ||
      !std::all_of(name.begin(), name.end(), IsTokenChar)) {
    return Refuse("no field", line);
  }
  const absl::string_view value = absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1)));
  if (absl::EqualsIgnoreCase(ToAbsl(name), "Content-Length")) {
    uint64_t length = 0;
    if (has_length_ || !AllDigits({value.data(), value.size()}) ||
        !absl::SimpleAtoi(value, &length)) {
      return Refuse("no single length", line);
    }
    has_length_ = true;
    body_size_ = length;
  } else if (absl::EqualsIgnoreCase(ToAbsl(name), "Transfer-Encoding")) {
    return Refuse("a coding that was not expected", line);
  } else if (absl::EqualsIgnoreCase(ToAbsl(name), "Connection")) {
    close_ |= absl::EqualsIgnoreCase(value, "close");
  }
  return true;
}

}  // namespace squall::testing
