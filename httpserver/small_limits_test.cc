// Limits beside those of head and body: each is an option.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/kernel_queues.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

class SmallLimitsTest : public testing::Test {
 protected:
  TestApp app_;
};

// What is an option of its own beside the large limits.
TEST_F(SmallLimitsTest, AreOptions) {
  const std::string chunked =
      "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  struct Case {
    HttpServerOptions options;
    std::string within;
    std::string above;
    int status;
  };
  const Case cases[] = {
      {{.max_method_size = 5},
       "POST /hello HTTP/1.1\r\nHost: a\r\n\r\n",
       "OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n",
       501},
      {{.max_chunk_line = 4},
       chunked + "1;ab\r\nx\r\n0\r\n\r\n",
       chunked + "1;abc\r\nx\r\n0\r\n\r\n",
       400},
      {{.max_chunk_extensions = 4},
       chunked + "1;abc\r\nx\r\n0\r\n\r\n",
       chunked + "1;abc\r\nx\r\n0;d\r\n\r\n",
       400},
      {{.max_chunk_overhead = 0},
       chunked + "1;a=0123456789\r\nx\r\n0\r\n\r\n",
       chunked + "1;a=0123456789abcdef\r\nx\r\n0\r\n\r\n",
       400},
      {{.max_trailer_size = 8}, chunked + "0\r\na: b\r\n\r\n", chunked + "0\r\na: bc\r\n\r\n", 431},
  };
  for (const Case& c : cases) {
    HttpServerThread server(app_, c.options);
    RawClient within(server.port());
    within.Send(c.within);
    EXPECT_EQ(within.ReadResponse().status, 200) << c.within;
    RawClient above(server.port());
    above.Send(c.above);
    EXPECT_EQ(above.ReadResponse().status, c.status) << c.above;
    EXPECT_TRUE(above.AtEnd());
  }
}

TEST_F(SmallLimitsTest, BodiesThatAreStreamedHaveALimitOfTheirOwn) {
  app_.Route(
      "/streamed",
      {.headers = [](TestApp::Exchange& e) { e.connection->SetBodyIsStreamed(); },
       .finish =
           [](TestApp::Exchange& e) { e.Answer(std::to_string(e.body.size())).IgnoreError(); }});
  const auto status = [&](HttpServerOptions options, std::string_view path, size_t size) {
    HttpServerThread server(app_, std::move(options));
    RawClient client(server.port());
    client.Send(absl::StrCat("POST ", std::string(path),
                             " HTTP/1.1\r\nHost: a\r\nContent-Length: ", size, "\r\n\r\n"));
    client.Send(std::string(size, 'b'));
    return client.ReadResponse().status;
  };
  EXPECT_EQ(status({}, "/streamed", 2 << 20), 200);
  EXPECT_EQ(status({}, "/hello", 2 << 20), 413);
  EXPECT_EQ(status({.max_streamed_body_size = 1 << 20}, "/streamed", 2 << 20), 413);
  EXPECT_EQ(status({.max_body_size = 3 << 20, .max_streamed_body_size = 1}, "/streamed", 2 << 20),
            200);
}

// Only so much of what is behind a request is read; the kernel has the rest.
TEST_F(SmallLimitsTest, OfWhatIsBehindARequest) {
  std::shared_ptr<TestApp::Exchange> held;
  std::atomic<int> holding{0};
  app_.Route("/hold", {.finish = [&](TestApp::Exchange& e) {
               held = e.self;
               ++holding;
             }});
  const std::string get = kGet;
  const auto unread = [&](HttpServerOptions options, int number) {
    HttpServerThread server(app_, std::move(options));
    RawClient client(server.port());
    client.Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    AwaitCount(holding, number);
    client.Send(get);
    EXPECT_TRUE(client.Quiet());
    client.Send(get + get);
    EXPECT_TRUE(client.Quiet());
    const uint64_t result = KernelQueuesOf(server.port()).unread;
    server.Run([&] { held->Answer("held").IgnoreError(); });
    EXPECT_EQ(client.ReadResponse().body, "held");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ReadResponse().body, "Hello world");
    return result;
  };
  EXPECT_EQ(unread({.max_pipelined_input = 1}, 1), 2 * get.size());
  EXPECT_EQ(unread({}, 2), 0u);
}

}  // namespace
}  // namespace squall
