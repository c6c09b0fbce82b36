// Http1Parser beside http_parser, which Node.js used for years. Two readers of one connection must
// not see different requests: what both take has to have the same method, target and body, and what
// squall takes the other may refuse for the reasons of MayRefuse() alone. What squall refuses and the
// other takes (bare LF, obs-fold, any extension of a chunk, any Host, empty lines) is what squall is
// stricter in, on purpose.
//
//   bazel run --config=fuzz //httpserver:http1_parser_differential_fuzz_test -- DIR
#include <http_parser.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "squall/httpserver/http1_parser.h"
#include "squall/httpserver/request_head.h"

namespace squall {
namespace {

struct Message {
  std::string method;
  std::string target;
  std::string body;
  bool last = false;          // what follows is not read as HTTP/1.1 any more, or not by everybody
  bool ends_at_head = false;  // for an upgrade, and without a body as far as the other knows
};

std::vector<Message> Ours(std::string_view input) {
  std::vector<Message> messages;
  Http1Parser parser;
  Message message;
  while (true) {
    const Http1Event event = parser.Feed(input);
    input.remove_prefix(event.consumed);
    switch (event.kind) {
      case Http1Event::kNeedMore:
      case Http1Event::kError:
        return messages;
      case Http1Event::kHead: {
        const RequestHead& head = parser.head();
        message = Message();
        message.method = std::string(head.method());
        message.target = std::string(head.target());
        message.last = !head.keep_alive() || head.upgrade();
        break;
      }
      case Http1Event::kBody:
        message.body.append(event.body);
        break;
      case Http1Event::kMessageComplete:
        messages.push_back(message);
        if (message.last) return messages;
        parser.StartNextMessage();
        break;
    }
  }
}

struct Theirs {
  std::vector<Message> messages;
  Message message;
  http_errno error = HPE_OK;
};

Theirs& Of(http_parser* parser) { return *static_cast<Theirs*>(parser->data); }

Theirs ReadTheirs(std::string_view input) {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_message_begin = [](http_parser* parser) {
    Of(parser).message = Message();
    return 0;
  };
  settings.on_url = [](http_parser* parser, const char* at, size_t size) {
    Of(parser).message.target.append(at, size);
    return 0;
  };
  settings.on_body = [](http_parser* parser, const char* at, size_t size) {
    Of(parser).message.body.append(at, size);
    return 0;
  };
  settings.on_message_complete = [](http_parser* parser) {
    Theirs& theirs = Of(parser);
    theirs.message.ends_at_head = parser->upgrade != 0 && theirs.message.body.empty();
    theirs.message.method = http_method_str(static_cast<http_method>(parser->method));
    theirs.messages.push_back(theirs.message);
    return 0;
  };
  Theirs theirs;
  http_parser parser;
  http_parser_init(&parser, HTTP_REQUEST);
  parser.data = &theirs;
  http_parser_execute(&parser, &settings, input.data(), input.size());
  theirs.error = HTTP_PARSER_ERRNO(&parser);
  return theirs;
}

// Why the other may refuse a request that is right.
bool MayRefuse(http_errno error) {
  switch (error) {
    case HPE_INVALID_METHOD:  // it has a list of them
    case HPE_INVALID_URL:     // it reads the authority of a target in other ways
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONTENT_LENGTH:     // "3, 3", HTAB around it, in the trailer section
    case HPE_INVALID_TRANSFER_ENCODING:  // HTAB around it
    case HPE_UNEXPECTED_CONTENT_LENGTH:  // twice, or in the trailer section
      return true;
    default:
      return false;
  }
}

void Require(bool condition, const char* what, const Theirs& theirs) {
  if (condition) return;
  std::fprintf(stderr, "%s; the other says %s\n", what, http_errno_description(theirs.error));
  std::abort();
}

void Check(std::string_view input) {
  // The parser's corpus begins with two octets that are no part of the request.
  if (input.size() < 2) return;
  input.remove_prefix(2);
  const std::vector<Message> ours = Ours(input);
  const Theirs theirs = ReadTheirs(input);
  const bool htab = input.find('\t') != input.npos;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (i >= theirs.messages.size()) {
      Require(MayRefuse(theirs.error), "a request that squall alone takes", theirs);
      return;
    }
    Require(ours[i].method == theirs.messages[i].method, "methods differ", theirs);
    Require(ours[i].target == theirs.messages[i].target, "targets differ", theirs);
    // It does not know "chunked" with a HTAB behind it, which is an error for it (MayRefuse) but not where
    // a client asks for an upgrade as well: then it has no body, and nobody reads on.
    if (theirs.messages[i].ends_at_head && ours[i].last && htab) return;
    Require(ours[i].body == theirs.messages[i].body, "bodies differ", theirs);
  }
}

}  // namespace
}  // namespace squall

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  squall::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
