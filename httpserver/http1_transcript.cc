#include "squall/httpserver/http1_transcript.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace squall::internal {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "the parser broke its contract: %s\n", what);
  std::abort();
}

std::string Describe(const RequestHead& head) {
  std::string text(head.method());
  text.append(" ").append(head.target());
  text.append(" path=").append(head.path());
  text.append(head.has_query() ? " query=" : "").append(head.query());
  text.append(" host=").append(head.host());
  text.append(" minor=").append(std::to_string(head.version_minor()));
  text.append(" framing=").append(std::to_string(static_cast<int>(head.framing())));
  text.append(" length=").append(std::to_string(head.content_length()));
  text.append(" size=").append(std::to_string(head.size()));
  if (head.keep_alive()) text.append(" keep-alive");
  if (head.expect_continue()) text.append(" expect-continue");
  if (head.upgrade()) text.append(" upgrade");
  text.append(" |");
  for (const auto [name, value] : head.headers()) {
    text.append(" ").append(name).append(": ").append(value).append(";");
  }
  return text.append("\n");
}

}  // namespace

std::vector<std::string_view> Octets(std::string_view input) {
  std::vector<std::string_view> octets;
  for (size_t i = 0; i < input.size(); ++i) octets.push_back(input.substr(i, 1));
  return octets;
}

Transcript RunParser(const Http1Limits& limits, const std::vector<std::string_view>& segments) {
  Transcript t;
  Http1Parser parser(limits);
  bool failed = false;
  const auto feed = [&](std::string_view input) {
    while (!failed) {
      const Http1Event event = parser.Feed(input);
      Require(event.consumed <= input.size(), "more consumed than given");
      switch (event.kind) {
        case Http1Event::kNeedMore:
          Require(event.consumed == input.size(), "input left although more is needed");
          return;
        case Http1Event::kHead:
          Require(parser.in_body(), "not in the body after a head");
          t.keep_alive = parser.head().keep_alive();
          t.text.append(Describe(parser.head()));
          t.body.clear();
          break;
        case Http1Event::kBody:
          Require(!event.body.empty(), "an empty piece of a body");
          Require(event.body.data() >= input.data() &&
                      event.body.data() + event.body.size() <= input.data() + event.consumed,
                  "a piece of a body outside of the input");
          t.body.append(event.body);
          Require(parser.body_size() == t.body.size(), "wrong body_size()");
          break;
        case Http1Event::kMessageComplete:
          t.verdicts.push_back("parsed");
          t.text.append("body=").append(t.body).append("\n");
          parser.StartNextMessage();
          Require(parser.idle(), "not idle between messages");
          break;
        case Http1Event::kError:
          Require(parser.error_status() >= 400 && !parser.error_reason().empty(),
                  "an error without a status or a reason");
          Require(parser.Feed("GET / HTTP/1.1\r\n\r\n").kind == Http1Event::kError,
                  "an error that is not final");
          t.verdicts.push_back(std::to_string(parser.error_status()));
          t.reason = std::string(parser.error_reason());
          t.text.append("body=").append(t.body).append(" error ").append(t.reason).append("\n");
          failed = true;
          return;
      }
      input.remove_prefix(event.consumed);
    }
  };
  for (const std::string_view segment : segments) {
    const auto copy = std::make_unique<char[]>(segment.size());
    if (!segment.empty()) std::memcpy(copy.get(), segment.data(), segment.size());
    feed(std::string_view(copy.get(), segment.size()));
    if (failed) break;
  }
  if (failed) return t;
  if (parser.in_body()) t.verdicts.push_back("head");
  if (parser.in_head()) t.verdicts.push_back("more");
  if (!parser.idle()) t.text.append("body=").append(t.body).append(" unfinished\n");
  return t;
}

}  // namespace squall::internal
