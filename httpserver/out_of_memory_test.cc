// A server whose large allocations fail: the connection that asked for memory ends, nothing of it is
// left, and the others are served.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace {

// Of this many octets and more, in threads that have said so. The kernel's own limit (RLIMIT_AS) would
// meet the test itself and whatever asks next.
std::atomic<size_t> fails_from{SIZE_MAX};
std::atomic<int> failures{0};
thread_local bool may_fail = false;

}  // namespace

void* operator new(size_t size) {
  if (may_fail && size >= fails_from) {
    ++failures;
    throw std::bad_alloc();
  }
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](size_t size) { return operator new(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

class OutOfMemoryTest : public testing::Test {
 protected:
  OutOfMemoryTest() : server_(app_, {.max_body_size = 1 << 20}) {
    app_.Route("/many", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(std::string(300000, 'm')).IgnoreError();
               }});
    server_.Run([] { may_fail = true; });
  }
  ~OutOfMemoryTest() override { fails_from = SIZE_MAX; }

  size_t Connections() {
    size_t count = 0;
    server_.Run([&] { count = server_.server().connection_count(); });
    return count;
  }

  // Each of these clients is answered or closed, and nothing is left of it.
  void ExpectNothingLeft(const std::vector<std::string>& requests) {
    failures = 0;
    for (const size_t limit : {16384, 4096, 2048, 1024, 512, 256}) {
      for (const std::string& request : requests) {
        // Connections that exist meet it at another place than new ones.
        RawClient kept(server_.port());
        kept.Send(kGet);
        ASSERT_EQ(kept.ReadResponse().body, "Hello world");
        fails_from = limit;
        kept.Send(request);
        RawClient fresh(server_.port());
        fresh.Send(request);
        for (RawClient* client : {&kept, &fresh}) {
          client->ShutdownWrite();
          client->ReadAll();
          EXPECT_TRUE(client->AtEnd() || client->was_reset())
              << limit << " " << request.substr(0, 40);
        }
        fails_from = SIZE_MAX;
      }
    }
    EXPECT_GT(failures, 0) << "nothing has failed";
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (Connections() > 0) ASSERT_LT(absl::Now(), deadline) << Connections();
    RawClient after(server_.port());
    after.Send(kGet);
    EXPECT_EQ(after.ReadResponse().body, "Hello world");
  }

  TestApp app_;
  HttpServerThread server_;
};

TEST_F(OutOfMemoryTest, InAHead) {
  const std::string head =
      absl::StrCat("GET /hello HTTP/1.1\r\nHost: a\r\nX: ", std::string(60000, 'x'));
  ExpectNothingLeft({head, head + "\r\n\r\n"});
}

TEST_F(OutOfMemoryTest, InWhatIsHeldOfAPipeline) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kGet;
  ExpectNothingLeft({many});
}

TEST_F(OutOfMemoryTest, InAnAnswer) {
  ExpectNothingLeft({"GET /many HTTP/1.1\r\nHost: a\r\n\r\n"});
}

TEST_F(OutOfMemoryTest, InABody) {
  ExpectNothingLeft(
      {absl::StrCat("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n",
                    std::string(200000, 'b'))});
}

}  // namespace
}  // namespace squall
