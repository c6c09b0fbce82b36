// The promise of http1_parser.h: a message whose head is no longer than the longest before
// allocates nothing. This file replaces operator new, therefore it is a test of its own.
#include <cstdlib>
#include <new>
#include <string>

#include "gtest/gtest.h"
#include "squall/httpserver/http1_parser.h"

namespace {

int g_allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++g_allocations;
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  return p;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace squall {
namespace {

// Allocations that one message costs.
int Cost(Http1Parser& parser, std::string_view input) {
  const int before = g_allocations;
  Http1Event event;
  while (event.kind != Http1Event::kMessageComplete) {
    event = parser.Feed(input);
    if (event.kind == Http1Event::kError || event.kind == Http1Event::kNeedMore) return -1;
    input.remove_prefix(event.consumed);
  }
  parser.StartNextMessage();
  return g_allocations - before;
}

TEST(Http1ParserAllocationTest, NothingAfterTheFirstMessage) {
  Http1Parser parser;
  std::string get = "GET /a?b=c HTTP/1.1\r\nHost: www.example.com\r\n";
  for (int i = 0; i < 8; ++i) get += "X-Field-" + std::to_string(i) + ": some value of it\r\n";
  get += "\r\n";
  const std::string post =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nxy\r\n0\r\nA: "
      "b\r\n\r\n";
  EXPECT_GT(Cost(parser, get), 0) << "the buffers of the parser";
  EXPECT_EQ(Cost(parser, get), 0);
  EXPECT_EQ(Cost(parser, post), 0);
  parser.ReleaseMemory();
  EXPECT_GT(Cost(parser, get), 0) << "it was given back";
}

}  // namespace
}  // namespace squall
