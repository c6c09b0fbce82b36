// HttpServerOptions::max_connections: who has to go when one more comes, and who has to wait.
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kHold[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";

class MaxConnectionsTest : public testing::Test {
 protected:
  MaxConnectionsTest() {
    app_.Route("/hold", {.finish =
                             [this](TestApp::Exchange& e) {
                               held_.push_back(e.self);
                               ++holding_;
                             },
                         .close = [this](TestApp::Exchange&) { ++lost_; }});
  }

  std::unique_ptr<RawClient> Connect(HttpServerThread& server, const std::string& request) {
    auto client = std::make_unique<RawClient>(server.port());
    client->Send(request);
    return client;
  }

  std::unique_ptr<RawClient> Served(HttpServerThread& server) {
    auto client = Connect(server, kGet);
    EXPECT_EQ(client->ReadResponse().body, "Hello world");
    return client;
  }

  std::unique_ptr<RawClient> Held(HttpServerThread& server) {
    auto client = Connect(server, kHold);
    AwaitCount(holding_, ++expected_holding_);
    return client;
  }

  // Answers what was held first.
  void Release(HttpServerThread& server) {
    server.Run([this] {
      held_.front()->Answer("released").IgnoreError();
      held_.erase(held_.begin());
    });
  }

  size_t Count(HttpServerThread& server) {
    size_t count = 0;
    server.Run([&] { count = server.server().connection_count(); });
    return count;
  }

  void AwaitConnections(HttpServerThread& server, size_t count) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (Count(server) != count) ASSERT_LT(absl::Now(), deadline);
  }

  TestApp app_;
  std::vector<std::shared_ptr<TestApp::Exchange>> held_;
  std::atomic<int> holding_{0};
  std::atomic<int> lost_{0};
  int expected_holding_ = 0;
};

TEST_F(MaxConnectionsTest, TheOldestIdleOneGoes) {
  HttpServerThread server(app_, {.max_connections = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Served(server));
  EXPECT_EQ(Count(server), 3u);
  const auto one_more = Served(server);
  EXPECT_TRUE(clients[0]->AtEnd());
  EXPECT_EQ(Count(server), 3u);
  for (int i = 1; i < 3; ++i) {
    clients[i]->Send(kGet);
    const RawClient::Response response = clients[i]->ReadResponse();
    EXPECT_EQ(response.body, "Hello world") << i;
    EXPECT_FALSE(response.HasField("Connection")) << "there is room for all that are here";
  }
}

TEST_F(MaxConnectionsTest, WhoIsServedNowAndThenStaysWhileOthersAreIdle) {
  HttpServerThread server(app_, {.max_connections = 3});
  const auto regular = Served(server);
  std::vector<std::unique_ptr<RawClient>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(Served(server));
    regular->Send(kGet);
    EXPECT_EQ(regular->ReadResponse().body, "Hello world") << i;
  }
  EXPECT_TRUE(others[0]->AtEnd());
}

TEST_F(MaxConnectionsTest, WhoIsAtWorkStaysAndNewOnesWait) {
  HttpServerThread server(app_, {.max_connections = 2});
  const auto first = Held(server);
  const auto second = Held(server);
  // It cannot be known that there is one more before it is accepted.
  const auto one_more = Held(server);
  const auto waiting = Connect(server, kGet);
  EXPECT_TRUE(waiting->Quiet());
  EXPECT_EQ(Count(server), 3u);
  Release(server);
  const RawClient::Response response = first->ReadResponse();
  EXPECT_EQ(response.body, "released");
  EXPECT_EQ(response.Field("Connection"), "close") << "others wait";
  EXPECT_TRUE(first->AtEnd());
  EXPECT_EQ(waiting->ReadResponse().body, "Hello world");
  EXPECT_EQ(lost_, 0);
}

TEST_F(MaxConnectionsTest, WhoBecomesIdleMakesRoom) {
  HttpServerThread server(app_, {.max_connections = 1});
  // Told of its end before the server is full.
  app_.Route("/begun", {.finish = [this](TestApp::Exchange& e) {
               e.connection->WriteHead(ResponseHead(), "begun").IgnoreError();
               held_.push_back(e.self);
               ++holding_;
             }});
  const auto begun = Connect(server, "GET /begun HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(holding_, ++expected_holding_);
  const auto one_more = Held(server);
  const auto waiting = Connect(server, kGet);
  EXPECT_TRUE(waiting->Quiet());
  server.Run([this] { held_.front()->connection->Finish().IgnoreError(); });
  EXPECT_EQ(begun->ReadResponse().body, "begun");
  EXPECT_TRUE(begun->AtEnd());
  EXPECT_EQ(waiting->ReadResponse().body, "Hello world");
}

TEST_F(MaxConnectionsTest, HeadsThatDoNotComeMakeRoomAfterASecond) {
  HttpServerThread server(app_, {.max_connections = 2});
  const auto held = Held(server);
  const auto slow = Connect(server, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
  const absl::Time begin = absl::Now();
  const auto one_more = Held(server);
  const auto next = Connect(server, kGet);
  EXPECT_EQ(next->ReadResponse().body, "Hello world");
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(900)) << "which a client may need for its head";
  EXPECT_TRUE(slow->AtEnd());
  EXPECT_EQ(lost_, 0);
}

TEST_F(MaxConnectionsTest, SilentConnectionsGoBeforeThoseThatWereServed) {
  HttpServerThread server(app_, {.max_connections = 2});
  const auto regular = Served(server);
  const auto silent = Connect(server, "");
  // A connection is young for a second, and is not given up for others that wait so long.
  absl::SleepFor(absl::Milliseconds(1100));
  const auto next = Served(server);
  EXPECT_TRUE(silent->AtEnd());
  regular->Send(kGet);
  EXPECT_EQ(regular->ReadResponse().body, "Hello world");
}

// More than are looked at for each new one, so that the next look begins in their midst.
TEST_F(MaxConnectionsTest, WhoIsNextToBeLookedAtMayHaveLeft) {
  constexpr size_t kMany = 300;
  HttpServerThread server(app_, {.max_connections = kMany});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i < kMany; ++i) clients.push_back(Served(server));
  const auto one_more = Served(server);
  EXPECT_TRUE(clients[0]->AtEnd());
  for (size_t i = 1; i < kMany; ++i) clients[i].reset();
  AwaitConnections(server, 1);
  for (size_t i = 0; i < kMany; ++i) clients[i] = Served(server);
  EXPECT_TRUE(one_more->AtEnd());
}

TEST_F(MaxConnectionsTest, ADrainServesWhatWaitsThoughItIsFull) {
  HttpServerThread server(app_, {.max_connections = 1});
  const auto first = Held(server);
  const auto one_more = Held(server);
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(Connect(server, kGet));
  EXPECT_TRUE(waiting[0]->Quiet());
  std::atomic<int> done{0};
  server.Run([&] {
    server.server().Drain({.idle_close_after = absl::Hours(1), .pool_ends = true},
                          [&done] { ++done; });
  });
  for (const auto& client : waiting) EXPECT_EQ(client->ReadResponse().body, "Hello world");
  Release(server);
  EXPECT_EQ(first->ReadResponse().body, "released");
  Release(server);
  EXPECT_EQ(one_more->ReadResponse().body, "released");
  first->Close();
  one_more->Close();
  waiting.clear();
  AwaitCount(done, 1);
}

TEST_F(MaxConnectionsTest, AllMayBeClosedWhileItIsFull) {
  HttpServerThread server(app_, {.max_connections = 1});
  const auto first = Held(server);
  const auto one_more = Held(server);
  const auto waiting = Connect(server, kGet);
  server.Run([&] { server.server().CloseAllConnections(); });
  EXPECT_TRUE(first->AtEnd());
  EXPECT_EQ(waiting->ReadResponse().body, "Hello world");
  EXPECT_EQ(lost_, 2);
}

TEST_F(MaxConnectionsTest, AServerMayEndWhileItIsFull) {
  auto server = std::make_unique<HttpServerThread>(app_, HttpServerOptions{.max_connections = 1});
  const auto first = Held(*server);
  const auto one_more = Held(*server);
  server.reset();
  EXPECT_TRUE(first->AtEnd());
}

}  // namespace
}  // namespace squall
