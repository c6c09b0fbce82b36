#include "squall/httpserver/http1_parser.h"

#include <algorithm>
#include <limits>

#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/url.h"

namespace squall {

using internal::EqualsIgnoreCase;
using internal::HasClass;
using internal::IsDigit;
using internal::IsOws;
using internal::kTokenChar;
using internal::TrimOws;

struct Http1Parser::FieldFacts {
  uint32_t hosts = 0;
  uint32_t host = 0;  // Index of the last one, as below.
  uint32_t transfer_encodings = 0;
  uint32_t transfer_encoding = 0;
  uint64_t content_length = 0;
  bool has_content_length = false;
  bool bad_content_length = false;
  bool close = false;
  bool keep_alive = false;
  bool upgrade_token = false;
  bool upgrade_field = false;
  bool expect_continue = false;
  bool expect_unknown = false;
};

namespace {

// The next member of a comma-separated list, trimmed; `list` becomes what follows it. RFC 9110
// §5.6.1.
std::string_view NextMember(std::string_view& list, bool& more) {
  const size_t comma = list.find(',');
  const std::string_view member = TrimOws(list.substr(0, comma));
  more = comma != std::string_view::npos;
  list.remove_prefix(more ? comma + 1 : list.size());
  return member;
}

// Of `coding`, which becomes its name alone: whether they are parameters with token values, RFC 9110
// 10.1.4. Not quoted ones: readers differ about a comma in quotes, and a body's end must not be in doubt.
bool TakeCodingParameters(std::string_view& coding) {
  size_t semicolon = coding.find(';');
  std::string_view rest = coding.substr(std::min(semicolon, coding.size()));
  coding = TrimOws(coding.substr(0, semicolon));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    semicolon = std::min(rest.find(';'), rest.size());
    const std::string_view parameter = rest.substr(0, semicolon);
    rest.remove_prefix(semicolon);
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) return false;
    if (!IsValidHeaderName(TrimOws(parameter.substr(0, equals))) ||
        !IsValidHeaderName(TrimOws(parameter.substr(equals + 1)))) {
      return false;
    }
  }
  return true;
}

// Decimal digits only; false for anything else and for more than 63 bits, which no body has and
// which leaves every later addition and signed conversion room.
bool ParseLength(std::string_view digits, uint64_t& value) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (digits.empty()) return false;
  value = 0;
  for (const char c : digits) {
    if (!IsDigit(c)) return false;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return false;
    value = value * 10 + digit;
  }
  return true;
}

// A parser remembers a Host of this size, for most requests to a server have the same one.
constexpr size_t kLongestKeptHost = 64;

// Whether one of the names that NoteField() knows has this size.
constexpr bool MayDecide(uint32_t name_size) {
  constexpr uint32_t kSizes = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 14 | 1 << 17;
  return name_size < 32 && (kSizes >> name_size & 1) != 0;
}

}  // namespace

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

void Http1Parser::EndHead() {
  FieldFacts facts;
  std::vector<HttpHeaders::Entry>& entries = head_.headers_.entries_;
  const char* const bytes = head_.headers_.bytes_.data();
  for (HttpHeaders::Entry& e : entries) {
    while (e.value_size > 0 && IsOws(bytes[e.value_at + e.value_size - 1])) --e.value_size;
    if (MayDecide(e.name_size)) NoteField(static_cast<uint32_t>(&e - entries.data()), facts);
  }
  if (!JudgeTarget() || !JudgeHost(facts) || !JudgeFraming(facts)) return;
  if (head_.method() == "CONNECT") {
    // The target was fine: what is missing is the tunnel, RFC 9110 §9.1.
    return Fail(501, "CONNECT is not supported");
  }
  const int minor = head_.version_minor_;
  // HTTP/1.0 clients do not know expectations; RFC 9110 §10.1.1 says to ignore theirs.
  if (minor > 0 && facts.expect_unknown) return Fail(417, "unknown expectation");
  head_.expect_continue_ =
      minor > 0 && facts.expect_continue && head_.framing_ != BodyFraming::kNone;
  head_.keep_alive_ = !facts.close && (minor == 1 || (minor == 0 && facts.keep_alive));
  head_.upgrade_ = minor > 0 && facts.upgrade_token && facts.upgrade_field;
}

void Http1Parser::NoteField(uint32_t index, FieldFacts& facts) {
  const auto [name, value] = head_.headers_.at(index);
  // As most clients spell them, for an equal name is compared at once.
  switch (name.size()) {
    case 4:
      if (EqualsIgnoreCase(name, "Host")) {
        ++facts.hosts;
        facts.host = index;
      }
      return;
    case 6:
      if (EqualsIgnoreCase(name, "Expect")) {
        std::string_view rest = value;
        for (bool more = true; more;) {
          const std::string_view member = NextMember(rest, more);
          if (member.empty()) continue;
          const bool known = EqualsIgnoreCase(member, "100-continue");
          (known ? facts.expect_continue : facts.expect_unknown) = true;
        }
      }
      return;
    case 7:
      if (EqualsIgnoreCase(name, "Upgrade")) facts.upgrade_field = true;
      return;
    case 10:
      if (EqualsIgnoreCase(name, "Connection")) {
        std::string_view rest = value;
        for (bool more = true; more;) {
          const std::string_view member = NextMember(rest, more);
          if (EqualsIgnoreCase(member, "close")) facts.close = true;
          if (EqualsIgnoreCase(member, "keep-alive")) facts.keep_alive = true;
          if (EqualsIgnoreCase(member, "upgrade")) facts.upgrade_token = true;
        }
      }
      return;
    case 14:
      if (EqualsIgnoreCase(name, "Content-Length")) NoteContentLength(value, facts);
      return;
    case 17:
      if (EqualsIgnoreCase(name, "Transfer-Encoding")) {
        ++facts.transfer_encodings;
        facts.transfer_encoding = index;
      }
      return;
    default:
      return;
  }
}

// Equal numbers, in one list or in several fields, count as one (RFC 9110 §8.6).
void Http1Parser::NoteContentLength(std::string_view list, FieldFacts& facts) {
  for (bool more = true; more;) {
    uint64_t length = 0;
    if (!ParseLength(NextMember(list, more), length) ||
        (facts.has_content_length && length != facts.content_length)) {
      facts.bad_content_length = true;
      return;
    }
    facts.has_content_length = true;
    facts.content_length = length;
  }
}

bool Http1Parser::JudgeTarget() {
  const std::string_view method = head_.method();
  const std::string_view target = head_.target();
  if (method == "CONNECT") {
    const HostAndPort authority = SplitHostAndPort(target);
    if (authority.port.has_value() && IsValidHost(target)) return true;
    Fail(400, "CONNECT without host:port");
    return false;
  }
  if (target[0] == '/' || (target == "*" && method == "OPTIONS")) {
    const size_t path_size = std::min(target.find('?'), target.size());
    head_.path_ = {head_.target_.at, static_cast<uint32_t>(path_size)};
    head_.has_query_ = path_size != target.size();
    if (head_.has_query_) {
      head_.query_ = {head_.target_.at + static_cast<uint32_t>(path_size) + 1,
                      static_cast<uint32_t>(target.size() - path_size - 1)};
    }
    return true;
  }
  return SplitAbsoluteTarget(target);
}

// scheme "://" authority [path] ["?" query], RFC 9112 §3.2.2.
bool Http1Parser::SplitAbsoluteTarget(std::string_view target) {
  const size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon);
  if (colon == std::string_view::npos ||
      !(EqualsIgnoreCase(scheme, "http") || EqualsIgnoreCase(scheme, "https"))) {
    Fail(400, "request target is neither a path nor an http URI");
    return false;
  }
  const size_t authority_at = colon + 3;
  const size_t authority_end = std::min(target.find_first_of("/?", authority_at), target.size());
  const std::string_view authority = target.substr(authority_at, authority_end - authority_at);
  if (authority.empty() || !IsValidHost(authority)) {
    Fail(400, "invalid authority in the request target");
    return false;
  }
  const size_t path_end = std::min(target.find('?', authority_end), target.size());
  const auto piece = [&](size_t from, size_t to) {
    return RequestHead::Piece{head_.target_.at + static_cast<uint32_t>(from),
                              static_cast<uint32_t>(to - from)};
  };
  head_.host_ = piece(authority_at, authority_end);
  head_.path_ = piece(authority_end, path_end);
  head_.has_query_ = path_end != target.size();
  if (head_.has_query_) head_.query_ = piece(path_end + 1, target.size());
  return true;
}

bool Http1Parser::HostIsValid(std::string_view host) {
  if (host == valid_host_) return true;
  if (!IsValidHost(host)) return false;
  if (host.size() <= kLongestKeptHost) valid_host_.assign(host);
  return true;
}

bool Http1Parser::JudgeHost(const FieldFacts& facts) {
  if (facts.hosts == 0) {
    if (head_.version_minor_ == 0) return true;
    Fail(400, "no Host header field");
    return false;
  }
  HttpHeaders::Entry& host = head_.headers_.entries_[facts.host];
  if (facts.hosts > 1 || !HostIsValid(head_.headers_.View(host.value_at, host.value_size))) {
    Fail(400, facts.hosts > 1 ? "more than one Host header field" : "invalid Host");
    return false;
  }
  if (head_.host_.size == 0) {
    head_.host_ = {host.value_at, host.value_size};
  } else {
    // The target was in absolute form: its authority counts, also for who looks at the field.
    host.value_at = head_.host_.at;
    host.value_size = head_.host_.size;
  }
  return true;
}

bool Http1Parser::JudgeFraming(const FieldFacts& facts) {
  if (facts.transfer_encodings > 0) {
    if (facts.has_content_length || facts.bad_content_length) {
      Fail(400, "Transfer-Encoding together with Content-Length");
      return false;
    }
    if (facts.transfer_encodings > 1) {
      Fail(400, "more than one Transfer-Encoding header field");
      return false;
    }
    std::string_view list = head_.headers_.at(facts.transfer_encoding).value;
    if (EqualsIgnoreCase(list, "chunked")) {
      head_.framing_ = BodyFraming::kChunked;
      return true;
    }
    // Unknown codings are 501, but only where "chunked" stands last and once, for without it nobody
    // can tell where the body ends (RFC 9112 §6.1, §6.3).
    int chunked = 0;
    bool well_formed = true;
    bool chunked_last = false;
    for (bool more = true; more;) {
      std::string_view coding = NextMember(list, more);
      const size_t whole_size = coding.size();
      well_formed = well_formed && TakeCodingParameters(coding) && IsValidHeaderName(coding);
      const bool is_chunked = EqualsIgnoreCase(coding, "chunked");
      chunked += is_chunked ? 1 : 0;
      // "chunked" has no parameters, RFC 9112 7.1.
      chunked_last = is_chunked && coding.size() == whole_size;
    }
    if (well_formed && chunked_last && chunked == 1) {
      Fail(501, "transfer coding not supported");
    } else {
      Fail(400, "invalid Transfer-Encoding");
    }
    return false;
  }
  if (facts.bad_content_length) {
    Fail(400, "invalid Content-Length");
    return false;
  }
  head_.content_length_ = facts.content_length;
  if (facts.content_length > 0) head_.framing_ = BodyFraming::kContentLength;
  return true;
}

}  // namespace squall
