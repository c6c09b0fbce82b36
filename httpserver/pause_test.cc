// Delegates that pause the reading of a body.
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/timeout.h"

namespace squall {
namespace {

class PauseTest : public testing::Test {
 protected:
  TestApp app_;
};

TEST_F(PauseTest, paused_reading_holds_the_client_back) {
  std::shared_ptr<TestApp::Exchange> paused;
  std::atomic<int> pauses{0};
  app_.Route(
      "/slow",
      {.headers = [](TestApp::Exchange& e) { e.connection->SetMaxBodySize(1 << 30); },
       .data =
           [&](TestApp::Exchange& e, std::string_view) {
             if (e.sizes.size() == 1) {
               e.connection->PauseReading();
               paused = e.self;
               ++pauses;
             }
           },
       .finish =
           [](TestApp::Exchange& e) { e.Answer(std::to_string(e.body.size())).IgnoreError(); }});
  HttpServerThread server(app_, {.chunk_size = 1000});
  RawClient client(server.port());
  constexpr size_t kSize = 30 << 20;
  std::atomic<bool> sent{false};
  std::thread sender([&] {
    client.Send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kSize) +
                "\r\n\r\n" + std::string(kSize, 'b'));
    sent = true;
  });
  AwaitCount(pauses, 1);
  EXPECT_TRUE(client.Quiet());
  EXPECT_FALSE(sent);
  server.Run([&] {
    EXPECT_EQ(paused->body.size(), 1000u);
    paused->connection->ResumeReading();
  });
  EXPECT_EQ(client.ReadResponse().body, std::to_string(kSize));
  sender.join();
}

// The handler takes longer than the client may; the client has sent everything.
TEST_F(PauseTest, the_time_of_a_pause_is_not_the_clients) {
  constexpr absl::Duration kTimeout = absl::Milliseconds(50);
  std::vector<Timeout> timers;
  app_.Route("/slow", {.data =
                           [&](TestApp::Exchange& e, std::string_view) {
                             e.connection->PauseReading();
                             timers.push_back(e.connection->loop().CallLater(
                                 3 * kTimeout, [e = e.self] { e->connection->ResumeReading(); }));
                           },
                       .finish =
                           [](TestApp::Exchange& e) {
                             e.Answer(std::to_string(e.body.size())).IgnoreError();
                           }});
  HttpServerThread server(app_, {.chunk_size = 1000, .body_timeout = kTimeout});
  RawClient client(server.port());
  const std::string head = "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n";
  client.Send(head + std::string(3000, 'b'));
  EXPECT_EQ(client.ReadResponse().body, "3000");
  // Behind the pause it goes on.
  client.Send(head + std::string(1000, 'b'));
  EXPECT_EQ(client.ReadResponse().status, 408);
  server.Run([&] { timers.clear(); });
}

// While nobody reads, its end is seen all the same.
TEST_F(PauseTest, a_client_that_leaves_meanwhile_is_seen) {
  std::atomic<int> pauses{0};
  app_.Route("/slow", {.data = [&](TestApp::Exchange& e, std::string_view) {
               e.connection->PauseReading();
               ++pauses;
             }});
  HttpServerThread server(app_, {.chunk_size = 1000});
  const std::string start = "POST /slow HTTP/1.1\r\nHost: a\r\n";
  struct Request {
    std::string before;  // the pause
    std::string behind;
  };
  // So little that all of it, and the end, finds room in the kernel.
  const std::vector<Request> requests = {
      {start + "Content-Length: 3000\r\n\r\n" + std::string(1000, 'b'), ""},
      {start + "Content-Length: 30000\r\n\r\n" + std::string(5000, 'b'), std::string(20000, 'b')},
      {start + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""},
      {start + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r", ""}};
  int number = 0;
  for (const auto& [before, behind] : requests) {
    RawClient client(server.port());
    client.Send(before);
    AwaitCount(pauses, ++number);
    EXPECT_EQ(app_.closed, number - 1);
    client.Send(behind);
    client.ShutdownWrite();
    AwaitCount(app_.closed, number);
  }
}

// It has said its last octet, and all that it had to say is there.
TEST_F(PauseTest, a_client_that_only_half_closes_gets_its_answer) {
  std::shared_ptr<TestApp::Exchange> paused;
  std::atomic<int> pauses{0};
  app_.Route("/slow", {.data =
                           [&](TestApp::Exchange& e, std::string_view) {
                             if (e.sizes.size() > 1) return;
                             e.connection->PauseReading();
                             paused = e.self;
                             ++pauses;
                           },
                       .finish =
                           [](TestApp::Exchange& e) {
                             e.Answer(std::to_string(e.body.size())).IgnoreError();
                           }});
  HttpServerThread server(app_, {.chunk_size = 1000});
  RawClient client(server.port());
  client.Send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" +
              std::string(5000, 'b'));
  AwaitCount(pauses, 1);
  client.Send(std::string(25000, 'b'));
  client.ShutdownWrite();
  uint64_t iterations = 0;
  server.Run([&] { iterations = server.loop().stats().iterations; });
  EXPECT_TRUE(client.Quiet());
  server.Run([&] {
    EXPECT_LT(server.loop().stats().iterations - iterations, 20u) << "it is told again and again";
    paused->connection->ResumeReading();
  });
  EXPECT_EQ(client.ReadResponse().body, "30000");
}

// A request without a body has no body timeout that a pause could run into.
TEST_F(PauseTest, paused_before_finish_without_a_body) {
  std::shared_ptr<TestApp::Exchange> paused;
  std::atomic<int> pauses{0};
  app_.Route("/pause", {.headers =
                            [&](TestApp::Exchange& e) {
                              e.connection->PauseReading();
                              paused = e.self;
                              ++pauses;
                            },
                        .finish = [](TestApp::Exchange& e) { e.Answer("on").IgnoreError(); }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /pause HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(pauses, 1);
  EXPECT_TRUE(client.Quiet());
  EXPECT_EQ(app_.finished, 0);
  server.Run([&] { paused->connection->ResumeReading(); });
  EXPECT_EQ(client.ReadResponse().body, "on");
}

}  // namespace
}  // namespace squall
