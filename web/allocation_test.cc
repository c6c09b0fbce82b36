// A request on a connection that stays allocates nothing: the parser, the handler, its exchange and the
// buffers of its answer have the memory of an earlier one. This file replaces operator new, therefore it
// is a test of its own.
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace {

// The client's are not the server's.
thread_local int allocations_of_thread = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations_of_thread;
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  return p;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return operator new(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace squall {
namespace {

// Without an Etag, which is a string for each answer.
struct HelloWorld : RequestHandler {
  void SetDefaultHeaders() override { DisableAutomaticEtag(); }
  void Get() { Write("hello, world\n"); }
};

// No access log, which has a line to put together.
Settings Silent() {
  Settings settings;
  settings.log_function = nullptr;
  return settings;
}

class AllocationTest : public testing::Test {
 protected:
  // Allocations of the server for so many times `requests`, each with `answers`.
  int Cost(int times, std::string_view requests, int answers) {
    const int before = Allocations();
    for (int i = 0; i < times; ++i) {
      client_.Send(requests);
      for (int answer = 0; answer < answers; ++answer) {
        EXPECT_EQ(client_.ReadResponse().body, "hello, world\n");
      }
    }
    return Allocations() - before;
  }

 private:
  int Allocations() {
    int allocations = 0;
    server_.Run([&] { allocations = allocations_of_thread; });
    return allocations;
  }

  Application app_{{{"/", Handler<HelloWorld>()}}, Silent()};
  HttpServerThread server_{app_};
  RawClient client_{server_.port()};
};

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n";

TEST_F(AllocationTest, ARequestOnAKeptConnectionAllocatesNothing) {
  EXPECT_GT(Cost(10, kRequest, 1), 0) << "nothing is counted";
  EXPECT_EQ(Cost(100, kRequest, 1), 0);
}

TEST_F(AllocationTest, PipelinedRequestsAllocateNothing) {
  std::string four;
  for (int i = 0; i < 4; ++i) four += kRequest;
  EXPECT_GT(Cost(10, four, 4), 0) << "nothing is counted";
  EXPECT_EQ(Cost(100, four, 4), 0);
}

}  // namespace
}  // namespace squall
