#include "squall/httpserver/http1_parser.h"

#include <algorithm>
#include <limits>

#include "squall/httpserver/http_scan.h"

namespace squall {

using internal::IsDigit;
using internal::IsOws;

Http1Parser::Http1Parser(const Http1Limits& limits)
    : limits_(limits), max_body_size_(limits.max_body_size) {
  // Offsets into the head have 32 bits.
  limits_.max_header_size =
      std::min<size_t>(limits_.max_header_size, std::numeric_limits<int32_t>::max());
}

void Http1Parser::Fail(int status, std::string_view reason) {
  state_ = State::kError;
  error_status_ = status;
  error_reason_ = reason;
}

Http1Event Http1Parser::ErrorEvent(size_t consumed) const {
  return {.kind = Http1Event::kError, .consumed = consumed, .body = {}};
}

Http1Event Http1Parser::Feed(std::string_view input) {
  if (state_ < State::kBodyStart) return FeedHead(input);
  if (state_ < State::kComplete) return FeedBody(input);
  if (state_ == State::kError) return ErrorEvent(0);
  return {.kind = Http1Event::kMessageComplete, .consumed = 0, .body = {}};
}

void Http1Parser::StartNextMessage() {
  if (state_ != State::kComplete) return;
  head_.Clear();
  max_body_size_ = limits_.max_body_size;
  body_size_ = remaining_ = 0;
  trailer_size_ = trailer_fields_ = 0;
  chunk_extensions_size_ = 0;
  chunk_overhead_ = 0;
  seen_empty_line_ = has_request_line_ = false;
  state_ = State::kStart;
}

void Http1Parser::ReleaseMemory() {
  if (idle()) head_.headers_.Release();
}

// One pass over the octets. A run inside a piece is skipped at once, the state says between which
// pieces the input was cut. Octets are judged in their order and limits by position alone, so that
// the verdict does not depend on the cuts; what needs a whole piece (Host, lengths) is judged in
// EndHead, when the head is contiguous.
Http1Event Http1Parser::FeedHead(std::string_view input) {
  const char* const begin = input.data();
  const char* p = begin;
  const char* end = begin + input.size();

  while (p != end && idle()) {
    if (state_ == State::kStartLf) {
      if (*p != '\n') {
        Fail(400, "bare CR before the request line");
        return ErrorEvent(p - begin);
      }
      seen_empty_line_ = true;
      state_ = State::kStart;
      ++p;
    } else if (*p == '\r' && !seen_empty_line_) {
      state_ = State::kStartLf;
      ++p;
    } else {
      state_ = State::kMethod;
    }
  }
  if (p == end) return {.kind = Http1Event::kNeedMore, .consumed = input.size(), .body = {}};

  head_.headers_.is_whole_ = false;
  std::string& bytes = head_.headers_.bytes_;
  std::vector<HttpHeaders::Entry>& entries = head_.headers_.entries_;
  const char* const kept = p;
  const size_t base = bytes.size();
  const auto at = [&](const char* q) { return static_cast<uint32_t>(base + (q - kept)); };
  const size_t room = limits_.max_header_size - base;
  const bool cut = static_cast<size_t>(end - p) > room;
  if (cut) end = p + room;

  while (p != end && state_ != State::kError) {
    switch (state_) {
      case State::kMethod:
        p = internal::SkipToken(p, end);
        if (at(p) > limits_.max_method_size) {
          Fail(501, "method too long");
        } else if (p == end) {
          break;
        } else if (*p != ' ' || at(p) == 0) {
          Fail(400, "malformed method");
        } else {
          head_.method_ = {0, at(p)};
          ++p;
          piece_at_ = at(p);
          state_ = State::kTarget;
        }
        break;
      case State::kTarget:
        p = internal::SkipTarget(p, end);
        if (at(p) > limits_.max_request_line) {
          Fail(414, "request line too long");
        } else if (p == end) {
          break;
        } else if (*p != ' ' || at(p) == piece_at_) {
          Fail(400, "malformed request target");
        } else {
          head_.target_ = {piece_at_, at(p) - piece_at_};
          ++p;
          piece_at_ = at(p);
          state_ = State::kVersion;
        }
        break;
      case State::kVersion: {
        const uint32_t index = at(p) - piece_at_;
        if (index == 0 && end - p >= 10 && std::string_view(p, 10) == "HTTP/1.1\r\n") {
          if (at(p) + 8 > limits_.max_request_line) {
            Fail(414, "request line too long");
            break;
          }
          version_major_ = 1;
          head_.version_minor_ = 1;
          has_request_line_ = true;
          p += 10;
          state_ = State::kFieldStart;
          break;
        }
        const char c = *p;
        constexpr std::string_view kShape = "HTTP/0.0\r";
        if (kShape[index] == '0' ? !IsDigit(c) : c != kShape[index]) {
          Fail(400, "malformed HTTP version");
          break;
        }
        if (index == 5) version_major_ = static_cast<uint8_t>(c - '0');
        if (index == 7) head_.version_minor_ = static_cast<uint8_t>(c - '0');
        if (index == 8) {
          if (at(p) > limits_.max_request_line) {
            Fail(414, "request line too long");
            break;
          }
          state_ = State::kRequestLineLf;
        }
        ++p;
        break;
      }
      case State::kRequestLineLf:
        if (*p != '\n') {
          Fail(400, "bare CR in the request line");
          break;
        }
        ++p;
        has_request_line_ = true;
        if (version_major_ != 1) {
          Fail(505, "HTTP version not supported");
        } else {
          state_ = State::kFieldStart;
        }
        break;
      case State::kFieldStart:
        p = TakeWholeFields(p, end, at(p));
        if (p == end) break;
        if (*p == '\r') {
          ++p;
          state_ = State::kHeadLf;
          break;
        }
        if (IsOws(*p)) {
          Fail(400, "folded header line");
          break;
        }
        if (entries.size() >= limits_.max_header_fields) {
          Fail(431, "too many header fields");
          break;
        }
        field_.name_at = at(p);
        state_ = State::kFieldName;
        [[fallthrough]];
      case State::kFieldName:
        p = internal::SkipToken(p, end);
        if (p == end) break;
        field_.name_size = at(p) - field_.name_at;
        if (*p != ':' || field_.name_size == 0) {
          Fail(400, "malformed header field name");
          break;
        }
        ++p;
        state_ = State::kFieldOws;
        if (p == end) break;
        [[fallthrough]];
      case State::kFieldOws:
        while (p != end && IsOws(*p)) ++p;
        if (p == end) break;
        field_.value_at = at(p);
        state_ = State::kFieldValue;
        [[fallthrough]];
      case State::kFieldValue:
        p = internal::SkipFieldValue(p, end);
        if (p == end) break;
        if (*p != '\r') {
          Fail(400, "forbidden octet in a header field value");
          break;
        }
        field_.value_size = at(p) - field_.value_at;
        ++p;
        state_ = State::kFieldLf;
        if (p == end) break;
        [[fallthrough]];
      case State::kFieldLf:
        if (*p != '\n') {
          Fail(400, "bare CR in a header field");
          break;
        }
        ++p;
        entries.push_back(field_);
        state_ = State::kFieldStart;
        break;
      case State::kHeadLf:
        if (*p != '\n') {
          Fail(400, "bare CR at the end of the head");
          break;
        }
        ++p;
        bytes.append(kept, p - kept);
        head_.size_ = static_cast<uint32_t>(bytes.size());
        EndHead();
        if (state_ == State::kError) return ErrorEvent(p - begin);
        state_ = State::kBodyStart;
        return {.kind = Http1Event::kHead, .consumed = static_cast<size_t>(p - begin), .body = {}};
      case State::kStart:
      case State::kStartLf:
      default:
        Fail(400, "parser out of step");
    }
  }
  bytes.append(kept, p - kept);
  if (state_ != State::kError && cut) Fail(431, "request head too large");
  if (state_ == State::kError) return ErrorEvent(p - begin);
  return {.kind = Http1Event::kNeedMore, .consumed = input.size(), .body = {}};
}

// The lines that are there as a whole and in order, up to the first other one, on which the states go on.
// `at` is the place of `p` in the head.
const char* Http1Parser::TakeWholeFields(const char* p, const char* end, uint32_t at) {
  std::vector<HttpHeaders::Entry>& entries = head_.headers_.entries_;
  const char* const begin = p;
  const auto place = [&](const char* q) { return at + static_cast<uint32_t>(q - begin); };
  while (entries.size() < limits_.max_header_fields) {
    const char* const name_end = internal::SkipToken(p, end);
    if (name_end == p || name_end == end || *name_end != ':') break;
    const char* value = name_end + 1;
    while (value != end && IsOws(*value)) ++value;
    const char* const value_end = internal::SkipFieldValue(value, end);
    if (end - value_end < 2 || value_end[0] != '\r' || value_end[1] != '\n') break;
    entries.push_back({.name_at = place(p),
                       .name_size = static_cast<uint32_t>(name_end - p),
                       .value_at = place(value),
                       .value_size = static_cast<uint32_t>(value_end - value)});
    p = value_end + 2;
  }
  return p;
}

}  // namespace squall
