// What the tests of Http1Parser share: requests in short, and verdicts on them. Tests only.
//
//   EXPECT_EQ(Verdict(Post("Content-Length: 3\r\n", "abc")), "parsed");
//   EXPECT_EQ(Verdict(Get("A : b\r\n")), "400");
#ifndef SQUALL_HTTPSERVER_HTTP1_VERDICT_H_
#define SQUALL_HTTPSERVER_HTTP1_VERDICT_H_

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/http1_transcript.h"
#include "squall/httpserver/request_head.h"

namespace squall::internal {

// Runs `input` whole, by single octets and cut in two at each place; all have to agree.
inline Transcript RunAllWays(std::string_view input, const Http1Limits& limits = {}) {
  const Transcript whole = RunParser(limits, {input});
  EXPECT_EQ(RunParser(limits, Octets(input)), whole) << input;
  // Every place of a long input would take too long; odd steps meet every kind of place.
  const size_t step = input.size() < 2000 ? 1 : input.size() / 1000 | 1;
  for (size_t i = 0; i <= input.size(); i += step) {
    const Transcript cut = RunParser(limits, {input.substr(0, i), input.substr(i)});
    EXPECT_EQ(cut, whole) << "cut at " << i << " of " << input;
    if (cut != whole) break;
  }
  return whole;
}

// The verdict on one request: "parsed", "head", "more" or the status.
inline std::string Verdict(std::string_view input, const Http1Limits& limits = {}) {
  const Transcript t = RunAllWays(input, limits);
  return t.verdicts.size() == 1 ? t.verdicts[0] : std::to_string(t.verdicts.size()) + " messages";
}

// Requests with these fields besides Host.
inline std::string Get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

inline std::string Post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

inline std::string Chunked(std::string_view body) {
  return Post("Transfer-Encoding: chunked\r\n", body);
}

// The head of a request that is right so far.
inline RequestHead HeadOf(std::string_view input) {
  Http1Parser parser;
  const Http1Event event = parser.Feed(input);
  EXPECT_EQ(event.kind, Http1Event::kHead) << parser.error_reason() << " for " << input;
  return parser.head();
}

}  // namespace squall::internal

#endif  // SQUALL_HTTPSERVER_HTTP1_VERDICT_H_
