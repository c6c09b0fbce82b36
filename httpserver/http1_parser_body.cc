// The half of Http1Parser that reads message bodies: lengths, chunks and trailer sections.

#include <algorithm>

#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http_scan.h"

namespace squall {

using internal::HasClass;
using internal::IsOws;
using internal::kFieldValueChar;
using internal::kQuotedChar;
using internal::kTokenChar;

Http1Event Http1Parser::FeedBody(std::string_view input) {
  if (state_ == State::kBodyStart) {
    if (head_.framing_ == BodyFraming::kNone) {
      state_ = State::kComplete;
    } else if (head_.framing_ == BodyFraming::kChunked) {
      state_ = State::kChunkSizeStart;
    } else if (head_.content_length_ > max_body_size_) {
      Fail(413, "body too large");
      return ErrorEvent(0);
    } else {
      remaining_ = head_.content_length_;
      state_ = State::kBodyLength;
    }
  }
  size_t at = 0;
  while (state_ != State::kComplete) {
    if (state_ == State::kBodyLength && remaining_ == 0) {
      state_ = State::kComplete;
      break;
    }
    if (at == input.size()) return {.kind = Http1Event::kNeedMore, .consumed = at, .body = {}};
    if (state_ == State::kBodyLength || state_ == State::kChunkData) {
      const size_t size = std::min<uint64_t>(remaining_, input.size() - at);
      remaining_ -= size;
      body_size_ += size;
      if (state_ == State::kChunkData && remaining_ == 0) state_ = State::kChunkDataCr;
      return {.kind = Http1Event::kBody, .consumed = at + size, .body = input.substr(at, size)};
    }
    if (state_ < State::kTrailerStart) {
      ChunkLineOctet(input[at]);
    } else {
      TrailerOctet(input[at]);
    }
    if (state_ == State::kError) return ErrorEvent(at);
    ++at;
  }
  return {.kind = Http1Event::kMessageComplete, .consumed = at, .body = {}};
}

uint64_t Http1Parser::least_to_come() const {
  constexpr uint64_t kLastChunk = std::string_view("0\r\n\r\n").size();
  switch (state_) {
    case State::kBodyStart:
      return head_.framing_ == BodyFraming::kChunked ? kLastChunk : head_.content_length_;
    case State::kBodyLength:
      return remaining_;
    case State::kChunkSizeStart:
      return kLastChunk;
    case State::kChunkData:
    case State::kChunkDataCr:
      return remaining_ + 2 + kLastChunk;
    case State::kChunkDataLf:
      return 1 + kLastChunk;
    case State::kComplete:
      return 0;
    default:
      return 1;
  }
}

// chunk-size [ BWS ";" BWS name [ BWS "=" BWS value ] ]* CRLF, RFC 9112 §7.1. Extensions mean
// nothing here, but what they may look like is kept to the letter: lax parsing of them has smuggled
// requests.
void Http1Parser::ChunkLineOctet(char c) {
  if (state_ == State::kChunkDataCr) {
    if (c != '\r') return Fail(400, "chunk data without CRLF");
    state_ = State::kChunkDataLf;
    return;
  }
  if (state_ == State::kChunkDataLf) {
    if (c != '\n') return Fail(400, "chunk data without CRLF");
    state_ = State::kChunkSizeStart;
    return;
  }
  if (state_ == State::kChunkSizeLf) {
    if (c != '\n') return Fail(400, "bare CR in a chunk line");
    return EndChunkLine();
  }
  if (state_ == State::kChunkSizeStart) {
    chunk_line_size_ = 0;
    chunk_digits_ = 0;
    remaining_ = 0;
    if (internal::HexValue(c) < 0) return Fail(400, "malformed chunk size");
    state_ = State::kChunkSize;
  }
  const bool may_end = state_ == State::kChunkSize || state_ == State::kChunkExtName ||
                       state_ == State::kChunkExtToken || state_ == State::kChunkExtAfterValue;
  if (may_end && c == '\r') {
    state_ = State::kChunkSizeLf;
    return;
  }
  if (++chunk_line_size_ > limits_.max_chunk_line) return Fail(400, "chunk line too long");
  if (state_ == State::kChunkSize) {
    const int digit = internal::HexValue(c);
    if (digit >= 0) {
      // 16 digits fill 64 bits exactly, so this cannot overflow. Leading zeros are none of them.
      if (remaining_ != 0 && ++chunk_digits_ > 15) return Fail(400, "chunk size too large");
      remaining_ = remaining_ << 4 | static_cast<uint64_t>(digit);
      return;
    }
  }
  if (++chunk_extensions_size_ > limits_.max_chunk_extensions) {
    return Fail(400, "too many chunk extensions");
  }
  switch (state_) {
    case State::kChunkSize:
    case State::kChunkExtBws:
    case State::kChunkExtAfterValue:
      if (c == ';') {
        state_ = State::kChunkExtNameBws;
      } else if (IsOws(c)) {
        // White space without an extension behind it is not in the grammar.
        state_ = State::kChunkExtBws;
      } else {
        Fail(400, "malformed chunk line");
      }
      return;
    case State::kChunkExtNameBws:
      if (IsOws(c)) return;
      if (!HasClass(c, kTokenChar)) return Fail(400, "malformed chunk extension");
      state_ = State::kChunkExtName;
      return;
    case State::kChunkExtName:
      if (HasClass(c, kTokenChar)) return;
      [[fallthrough]];
    case State::kChunkExtAfterName:
      if (IsOws(c)) {
        state_ = State::kChunkExtAfterName;
      } else if (c == '=') {
        state_ = State::kChunkExtValueBws;
      } else if (c == ';') {
        state_ = State::kChunkExtNameBws;
      } else {
        Fail(400, "malformed chunk extension");
      }
      return;
    case State::kChunkExtValueBws:
      if (IsOws(c)) return;
      if (c == '"') {
        state_ = State::kChunkExtQuoted;
      } else if (HasClass(c, kTokenChar)) {
        state_ = State::kChunkExtToken;
      } else {
        Fail(400, "malformed chunk extension");
      }
      return;
    case State::kChunkExtToken:
      if (HasClass(c, kTokenChar)) return;
      if (c == ';') {
        state_ = State::kChunkExtNameBws;
      } else if (IsOws(c)) {
        state_ = State::kChunkExtBws;
      } else {
        Fail(400, "malformed chunk extension");
      }
      return;
    case State::kChunkExtQuoted:
      if (c == '"') {
        state_ = State::kChunkExtAfterValue;
      } else if (c == '\\') {
        state_ = State::kChunkExtEscape;
      } else if (!HasClass(c, kQuotedChar)) {
        Fail(400, "malformed chunk extension");
      }
      return;
    case State::kChunkExtEscape:
      if (!HasClass(c, kFieldValueChar)) return Fail(400, "malformed chunk extension");
      state_ = State::kChunkExtQuoted;
      return;
    default:
      return Fail(400, "parser out of step");
  }
}

void Http1Parser::EndChunkLine() {
  // Whoever sends lines with next to no data, if need be with zeros before the size, wants the server
  // to read a multiple of what the body may have (CVE-2023-39326 of Go, whose rule this is).
  const uint64_t fair = 16 + 2 * std::min<uint64_t>(remaining_, limits_.max_chunk_line);
  chunk_overhead_ += chunk_line_size_ + 2;
  chunk_overhead_ -= std::min(chunk_overhead_, fair);
  if (chunk_overhead_ > limits_.max_chunk_overhead) {
    return Fail(400, "too much around the data of the chunks");
  }
  if (remaining_ == 0) {
    state_ = State::kTrailerStart;
  } else if (body_size_ > max_body_size_ || remaining_ > max_body_size_ - body_size_) {
    Fail(413, "body too large");
  } else {
    state_ = State::kChunkData;
  }
}

// *( name ":" value CRLF ) CRLF, RFC 9112 §7.1.2. Checked, counted and dropped.
void Http1Parser::TrailerOctet(char c) {
  if (++trailer_size_ > limits_.max_trailer_size) return Fail(431, "trailer section too large");
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kTrailerEndLf;
        return;
      }
      if (!HasClass(c, kTokenChar)) return Fail(400, "malformed trailer field");
      if (head_.headers_.size() + ++trailer_fields_ > limits_.max_header_fields) {
        return Fail(431, "too many trailer fields");
      }
      state_ = State::kTrailerName;
      return;
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
      } else if (!HasClass(c, kTokenChar)) {
        Fail(400, "malformed trailer field");
      }
      return;
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerLf;
      } else if (!HasClass(c, kFieldValueChar)) {
        Fail(400, "forbidden octet in a trailer field");
      }
      return;
    case State::kTrailerLf:
      if (c != '\n') return Fail(400, "bare CR in a trailer field");
      state_ = State::kTrailerStart;
      return;
    case State::kTrailerEndLf:
      if (c != '\n') return Fail(400, "bare CR at the end of the body");
      state_ = State::kComplete;
      return;
    default:
      return Fail(400, "parser out of step");
  }
}

}  // namespace squall
