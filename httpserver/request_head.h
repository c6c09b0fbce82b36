// The head of an HTTP/1 request after parsing: request line, fields and what follows from them.
//
//   void Look(const squall::RequestHead& head) {
//     if (head.method() == "GET" && head.path() == "/hello") Answer(head.headers().Get("Accept"));
//   }
//
// A head owns its octets; it can be copied and moved. Each string_view that it returns is valid
// until the head is assigned, destroyed, its headers are changed through mutable_headers(), or, for
// a parser's own head, Http1Parser::StartNextMessage() is called. Not thread-safe, usable in any
// process. Source: RFC 9112 §3, §6, §9.3; RFC 9110 §7.2, §10.1.1.
#ifndef SQUALL_HTTPSERVER_REQUEST_HEAD_H_
#define SQUALL_HTTPSERVER_REQUEST_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "squall/httpserver/http_headers.h"

namespace squall {

// How the body of a request is delimited.
enum class BodyFraming {
  kNone,           // No body.
  kContentLength,  // content_length() octets, at least one.
  kChunked,
};

class RequestHead {
 public:
  std::string_view method() const { return View(method_); }

  // The request target as received: "/a?b", "http://host/a?b" or "*".
  std::string_view target() const { return View(target_); }

  // "http" or "https", as received, of a target in absolute form; else empty.
  std::string_view scheme() const;

  // The raw path, never decoded: "/a" of "/a?b" and of "http://host/a?b"; "/" for "http://host",
  // "*" for OPTIONS of a whole server. Never empty.
  std::string_view path() const;

  // What follows the first "?", not decoded, without the "?". Empty when there is none.
  std::string_view query() const { return View(query_); }
  bool has_query() const { return has_query_; }

  // Host and port that the client asked for: of the target in absolute form, else of the Host
  // field. Empty when there is none (HTTP/1.0) or when the client sent an empty one.
  std::string_view host() const { return View(host_); }

  // "HTTP/1.1", as received.
  std::string_view version() const {
    constexpr uint32_t kSize = 8;
    return target_.size == 0 ? std::string_view() : View({target_.at + target_.size + 1, kSize});
  }

  // The y of HTTP/1.y. Versions above 1.1 are served as 1.1, but their connections are not kept.
  int version_minor() const { return version_minor_; }

  // Fields in the order received, names as received. With a target in absolute form the value of
  // Host is the target's authority (RFC 9112 §3.2.2).
  const HttpHeaders& headers() const { return headers_; }
  HttpHeaders& mutable_headers() { return headers_; }

  BodyFraming framing() const { return framing_; }

  // Octets of the body for kContentLength, else 0.
  uint64_t content_length() const { return content_length_; }

  // True when the client lets the connection live on after the answer: HTTP/1.1 without
  // "close", 1.0 with "keep-alive".
  bool keep_alive() const { return keep_alive_; }

  // True when the client waits for "100 Continue" before it sends the body, which is announced.
  bool expect_continue() const { return expect_continue_; }

  // True when Connection names "upgrade" and there is an Upgrade field (HTTP/1.1 only, RFC 9110
  // §7.8).
  bool upgrade() const { return upgrade_; }

  // Octets of the head on the wire, from the method to the final empty line.
  size_t size() const { return size_; }

 private:
  friend class Http1Parser;

  // A piece of the buffer of headers_, which holds the whole head: offsets survive copies and
  // moves.
  struct Piece {
    uint32_t at = 0;
    uint32_t size = 0;
  };

  std::string_view View(Piece p) const { return headers_.View(p.at, p.size); }
  void Clear();

  HttpHeaders headers_;
  Piece method_;
  Piece target_;
  Piece path_;
  Piece query_;
  Piece host_;
  uint64_t content_length_ = 0;
  uint32_t size_ = 0;
  BodyFraming framing_ = BodyFraming::kNone;
  uint8_t version_minor_ = 1;
  bool has_query_ = false;
  bool keep_alive_ = false;
  bool expect_continue_ = false;
  bool upgrade_ = false;
};

}  // namespace squall

#endif  // SQUALL_HTTPSERVER_REQUEST_HEAD_H_
