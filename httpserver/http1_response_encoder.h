// Turns an answer into octets: status line, fields, and the body in the framing that RFC 9112 6.3
// asks for. No input or output of its own; Http1Connection sends what it appends.
//
//   squall::internal::Http1ResponseEncoder encoder;
//   encoder.Start({.http11 = true, .keep_alive = true});
//   std::string out;
//   if (encoder.Begin(head, {.date = date}, &out).ok() && encoder.Body("hello", &out).ok()) {
//     encoder.End(&out).IgnoreError();
//   }
//
// Internal to httpserver. One thread at a time.
#ifndef SQUALL_HTTPSERVER_HTTP1_RESPONSE_ENCODER_H_
#define SQUALL_HTTPSERVER_HTTP1_RESPONSE_ENCODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "squall/httpserver/http_delegate.h"

namespace squall::internal {

class Http1ResponseEncoder {
 public:
  // What of the request decides about the answer's framing.
  struct RequestFacts {
    bool http11 = true;             // HTTP/1.1, which may be answered in chunks
    bool keep_alive = false;        // the client wants the connection kept
    bool connection_field = false;  // what it wants stands in a Connection field
    bool method_is_head = false;
  };

  struct BeginOptions {
    std::optional<uint64_t> whole_body_size = {};  // the complete body follows: adds Content-Length
    bool close = false;                            // the connection ends behind this answer
    bool always_say_close = false;                 // `Connection: close` for HTTP/1.0 clients too
    std::string_view date;                         // used when the head has no Date
  };

  // Forgets the last answer.
  void Start(const RequestFacts& request);

  // Appends the head. Errors as HttpConnection::WriteHead(), with nothing appended.
  absl::Status Begin(const ResponseHead& head, const BeginOptions& options, std::string* out);

  // The whole of a 101 answer, behind which HTTP is over; errors as
  // HttpConnection::SwitchProtocols(), with nothing appended.
  absl::Status SwitchProtocols(const ResponseHead& head, std::string* out);

  // Accounts for `size` octets of body; OutOfRange beyond Content-Length.
  absl::Status Count(uint64_t size) {
    const bool too_much = length_.has_value() && size > *length_ - body_bytes_;
    if (!begun_ || ended_ || too_much) return WhyNot(size);
    body_bytes_ += size;
    return absl::OkStatus();
  }

  // Count(), then appends `data` in its framing; nothing when the answer has no body.
  absl::Status Body(std::string_view data, std::string* out);

  // The line before a chunk of `size` octets, for callers that send the pieces without a copy.
  using ChunkStartBuffer = std::array<char, 18>;
  static std::string_view ChunkStart(size_t size, ChunkStartBuffer& buffer);

  // Appends what ends the body. OutOfRange when octets of Content-Length are missing.
  absl::Status End(std::string* out);

  bool begun() const { return begun_; }
  bool ended() const { return ended_; }
  // The client may not send another request on this connection; known after Begin().
  bool close() const { return close_; }
  // No octet of body may be sent (HEAD, 204, 304).
  bool body_suppressed() const { return body_suppressed_; }
  bool chunked() const { return chunked_; }
  uint64_t body_bytes() const { return body_bytes_; }
  int status() const { return status_; }

 private:
  absl::Status WhyNot(uint64_t size) const;

  RequestFacts request_;
  std::optional<uint64_t> length_;
  uint64_t body_bytes_ = 0;
  int status_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  bool close_ = false;
  bool chunked_ = false;
  bool body_suppressed_ = false;
};

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP1_RESPONSE_ENCODER_H_
