// An incremental parser of HTTP/1 requests: octets in, events out; no sockets, no clock.
//
//   squall::Http1Parser parser;
//   while (true) {
//     const squall::Http1Event event = parser.Feed(input);
//     input.remove_prefix(event.consumed);
//     switch (event.kind) {
//       case squall::Http1Event::kNeedMore: return;                // input is empty now
//       case squall::Http1Event::kHead: Begin(parser.head()); break;
//       case squall::Http1Event::kBody: Use(event.body); break;
//       case squall::Http1Event::kMessageComplete: Answer(); parser.StartNextMessage(); break;
//       case squall::Http1Event::kError: Refuse(parser.error_status(), parser.error_reason());
//       return;
//     }
//   }
//
// Events of one message come as kHead, any number of kBody, kMessageComplete; each call of Feed
// gives one. What was not consumed belongs to the next call, so pipelined requests stay with the
// caller until it has called StartNextMessage. kNeedMore means that everything was consumed: the
// parser keeps what it needs of an unfinished head itself, so one read buffer can serve all
// connections of a loop. Feed with no octets is allowed and gives the event that is due (a message
// without a body, a refused length).
//
// The verdict, the head and the body do not depend on how the octets are cut into calls. An error
// is final: further calls give it again and consume nothing, and the connection has to be closed
// after the answer. The body limit is checked in the first call after kHead, before any octet of
// the body, so that a handler may change it in between and "100 Continue" can be withheld.
//
// Memory: the octets of the head (at most max_header_size) and 16 bytes a field, kept for the next
// message; ReleaseMemory gives them back. A message whose head is no longer than the longest before
// allocates nothing. Time: linear in the input. Not thread-safe, usable in any process.
//
// Source: RFC 9112, RFC 9110, DESIGN.md §5. What is stricter than the RFC asks: no bare LF as a
// line end, no comma in Host, no "#" in a target, one empty line before a request, malformed chunk
// extensions.
#ifndef SQUALL_HTTPSERVER_HTTP1_PARSER_H_
#define SQUALL_HTTPSERVER_HTTP1_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "squall/httpserver/request_head.h"

namespace squall {

// What a request may cost. Sizes are in octets.
struct Http1Limits {
  size_t max_header_size = 64 << 10;  // Request line, fields and the final empty line; else 431.
  size_t max_header_fields = 100;     // Trailer fields count too; else 431.
  size_t max_request_line = 8 << 10;  // Without its CRLF; else 414.
  size_t max_method_size = 64;        // Else 501 (RFC 9112 §3).
  uint64_t max_body_size = 1 << 20;   // Without the framing of chunks; else 413.
  size_t max_chunk_line = 256;        // Size and extensions of one chunk, without CRLF; else 400.
  size_t max_chunk_extensions = 16 << 10;  // Extensions of all chunks of a message; else 400.
  // Octets of a message's chunk lines beyond what each chunk is allowed: 16, and twice its data, of which
  // at most max_chunk_line count; else 400.
  size_t max_chunk_overhead = 16 << 10;
  size_t max_trailer_size = 8 << 10;  // Trailer section with its final empty line; else 431.
};

struct Http1Event {
  enum Kind {
    kNeedMore,         // All was consumed; the message goes on.
    kHead,             // head() is complete.
    kBody,             // `body` is the next piece of the body, never empty, a view into the input.
    kMessageComplete,  // Call StartNextMessage before the next Feed.
    kError,            // error_status() and error_reason() say what and why.
  };
  Kind kind = kNeedMore;
  size_t consumed = 0;  // How many octets of the input are done with.
  std::string_view body;
};

class Http1Parser {
 public:
  // Uses the limits by value.
  explicit Http1Parser(const Http1Limits& limits = {});
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;
  Http1Parser(Http1Parser&&) = default;
  Http1Parser& operator=(Http1Parser&&) = default;

  // Takes the next octets of the connection. See above.
  Http1Event Feed(std::string_view input);

  // The head of the current message; complete from kHead until StartNextMessage. After an error it
  // holds what was understood until then; see has_request_line().
  const RequestHead& head() const { return head_; }
  RequestHead& mutable_head() { return head_; }

  // True when the request line of this message was read, for the log line of a refused request.
  bool has_request_line() const { return has_request_line_; }

  // Of HTTP/2.0, say, for which error_status() is 505; 0 until it was read.
  int version_major() const { return version_major_; }

  // The status to answer (400, 413, 414, 417, 431, 501, 505) and why in a few words, for the log; a
  // literal. 0 and "" without an error.
  int error_status() const { return error_status_; }
  std::string_view error_reason() const { return error_reason_; }

  // Between kHead and the next Feed: the limit for this message's body. StartNextMessage puts the
  // limit of Http1Limits back. Later calls hold for chunks that are still to come.
  void SetMaxBodySize(uint64_t octets) { max_body_size_ = octets; }

  // After kMessageComplete: forgets the message. Views into head() end here.
  void StartNextMessage();

  // True before the first octet of a message (an empty line before it does not count).
  bool idle() const { return state_ == State::kStart || state_ == State::kStartLf; }

  // True from the first octet of a message until its head is complete.
  bool in_head() const { return state_ < State::kBodyStart && !idle(); }

  // True from kHead until kMessageComplete.
  bool in_body() const { return state_ >= State::kBodyStart && state_ < State::kComplete; }

  // Octets of the body given out so far.
  uint64_t body_size() const { return body_size_; }

  // In the body: without at least so many further octets, framing with them, the message does not end.
  uint64_t least_to_come() const;

  // Between messages: gives back the memory of the last head. For connections that fall idle.
  void ReleaseMemory();

 private:
  // In the order of the octets. Of each pair of states at a line end the second waits for its LF.
  enum class State : uint8_t {
    kStart,
    kStartLf,
    kMethod,
    kTarget,
    kVersion,
    kRequestLineLf,
    kFieldStart,
    kFieldName,
    kFieldOws,
    kFieldValue,
    kFieldLf,
    kHeadLf,
    kBodyStart,
    kBodyLength,
    kChunkSizeStart,
    kChunkSize,
    kChunkExtBws,
    kChunkExtNameBws,
    kChunkExtName,
    kChunkExtAfterName,
    kChunkExtValueBws,
    kChunkExtToken,
    kChunkExtQuoted,
    kChunkExtEscape,
    kChunkExtAfterValue,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kTrailerEndLf,
    kComplete,
    kError,
  };

  // What the fields that decide about the message said.
  struct FieldFacts;

  Http1Event FeedHead(std::string_view input);
  Http1Event FeedBody(std::string_view input);
  const char* TakeWholeFields(const char* p, const char* end, uint32_t at);
  void ChunkLineOctet(char c);
  void TrailerOctet(char c);
  void EndChunkLine();
  void EndHead();
  bool JudgeTarget();
  bool SplitAbsoluteTarget(std::string_view target);
  void NoteField(uint32_t index, FieldFacts& facts);
  void NoteContentLength(std::string_view list, FieldFacts& facts);
  bool HostIsValid(std::string_view host);
  bool JudgeHost(const FieldFacts& facts);
  bool JudgeFraming(const FieldFacts& facts);
  void Fail(int status, std::string_view reason);
  Http1Event ErrorEvent(size_t consumed) const;

  Http1Limits limits_;
  uint64_t max_body_size_;
  uint64_t body_size_ = 0;
  uint64_t remaining_ = 0;  // Of the body or of the chunk.
  RequestHead head_;
  HttpHeaders::Entry field_{};  // The field being read.
  uint32_t piece_at_ = 0;       // Where the piece being read begins in the head.
  uint32_t trailer_size_ = 0;
  uint32_t trailer_fields_ = 0;
  uint32_t chunk_line_size_ = 0;
  uint32_t chunk_extensions_size_ = 0;
  uint64_t chunk_overhead_ = 0;
  uint8_t chunk_digits_ = 0;
  uint8_t version_major_ = 0;
  State state_ = State::kStart;
  bool seen_empty_line_ = false;
  bool has_request_line_ = false;
  int error_status_ = 0;
  std::string_view error_reason_;
  std::string valid_host_;  // The last Host that was looked at and found valid, for the next one.
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_HTTP1_PARSER_H_
