// What a parser made of a connection, as text: for tests and fuzzers that compare runs.
//
//   squall::internal::Transcript t =
//       squall::internal::RunParser({}, {"GET / HTTP/1.1\r\nHo", "st: a\r\n\r\n"});
//   t.text;      // "GET / path=/ ... Host: a; body=\"\" complete\n"
//   t.verdicts;  // {"parsed"}
//
// Each segment is handed over in a heap block of its own size, freed after the call, so that
// AddressSanitizer sees every octet read outside of it or kept beyond it.
#ifndef SQUALL_HTTPSERVER_HTTP1_TRANSCRIPT_H_
#define SQUALL_HTTPSERVER_HTTP1_TRANSCRIPT_H_

#include <string>
#include <string_view>
#include <vector>

#include "squall/httpserver/http1_parser.h"

namespace squall::internal {

struct Transcript {
  std::string text;
  // One a message: "parsed", the status of the error, or at the end of the input "head" (a body is
  // missing) or "more" (some of the head is missing).
  std::vector<std::string> verdicts;
  std::string reason;       // Of the error.
  std::string body;         // Of the last message.
  bool keep_alive = false;  // Of the last complete head.

  friend bool operator==(const Transcript&, const Transcript&) = default;
};

Transcript RunParser(const Http1Limits& limits, const std::vector<std::string_view>& segments);

// One segment for each octet of `input`.
std::vector<std::string_view> Octets(std::string_view input);

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP1_TRANSCRIPT_H_
