// What a whole head means: the target, the Host, where the body ends, what the connection is to become.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http_scan.h"
#include "squall/httpserver/url.h"

namespace squall {

using internal::EqualsIgnoreCase;
using internal::IsDigit;
using internal::IsOws;
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

}  // namespace

// Most names are told apart by their size: a call for each field would cost more than that.
[[gnu::always_inline]] inline void Http1Parser::NoteField(uint32_t index, FieldFacts& facts) {
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

void Http1Parser::EndHead() {
  FieldFacts facts;
  std::vector<HttpHeaders::Entry>& entries = head_.headers_.entries_;
  const char* const bytes = head_.headers_.bytes_.data();
  for (HttpHeaders::Entry& e : entries) {
    while (e.value_size > 0 && IsOws(bytes[e.value_at + e.value_size - 1])) --e.value_size;
    NoteField(static_cast<uint32_t>(&e - entries.data()), facts);
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
