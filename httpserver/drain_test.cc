// The drain of DESIGN.md §1: what was sent is answered, kept connections are told, silent ones
// closed late, and done() comes when nothing is left.
#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

class DrainTest : public testing::Test {
 protected:
  void Drain(HttpServerThread& server, absl::Duration idle_close_after) {
    server.Run([&, idle_close_after] {
      server.server().Drain({.idle_close_after = idle_close_after}, [this] { ++done_; });
    });
  }

  TestApp app_;
  std::atomic<int> done_{0};
};

TEST_F(DrainTest, without_connections_it_is_done_at_once) {
  HttpServerThread server(app_);
  Drain(server, absl::Hours(1));
  AwaitCount(done_, 1);
  Drain(server, absl::Hours(1));
  AwaitCount(done_, 2);
}

TEST_F(DrainTest, the_listener_is_closed_at_once) {
  HttpServerThread server(app_);
  const uint16_t port = server.port();
  Drain(server, absl::Hours(1));
  EXPECT_TRUE(BindSockets(port, {.address = "127.0.0.1"}).ok());
}

// A server whose loop is busy, so that connections wait in the backlog when the drain begins.
TEST_F(DrainTest, the_last_server_answers_what_waits_in_the_backlog) {
  HttpServerThread server(app_);
  std::vector<std::unique_ptr<RawClient>> clients;
  server.Run([&] {
    for (int i = 0; i < 20; ++i) {
      clients.push_back(std::make_unique<RawClient>(server.port()));
      clients.back()->Send(kGet);
    }
    server.server().Drain({.idle_close_after = absl::Hours(1), .pool_ends = true},
                          [this] { ++done_; });
  });
  for (auto& client : clients) EXPECT_EQ(client->ReadResponse().body, "Hello world");
  AwaitCount(done_, 1);
}

TEST_F(DrainTest, after_the_last_server_connections_are_refused_though_a_copy_is_open) {
  auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  const SocketAddress address = sockets[0].address();
  const UniqueFd masters_copy(fcntl(sockets[0].fd(), F_DUPFD_CLOEXEC, 0));
  HttpServer server(app_);
  server.AddSockets(std::move(sockets));
  server.Drain({.pool_ends = true}, nullptr);
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client.get(), address.data(), address.size()), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_F(DrainTest, kept_connections_are_told_with_their_next_answer) {
  HttpServerThread server(app_);
  RawClient used(server.port());
  used.Send(kGet);
  EXPECT_FALSE(used.ReadResponse().HasField("Connection"));
  RawClient fresh(server.port());
  server.Run([&] { EXPECT_LE(server.server().connection_count(), 2u); });
  while (true) {
    size_t count = 0;
    server.Run([&] { count = server.server().connection_count(); });
    if (count == 2) break;
  }
  Drain(server, absl::Hours(1));
  EXPECT_TRUE(used.Quiet());
  EXPECT_EQ(done_, 0);
  for (RawClient* client : {&used, &fresh}) {
    client->Send(kGet);
    const auto response = client->ReadResponse();
    EXPECT_EQ(response.body, "Hello world");
    EXPECT_EQ(response.Field("Connection"), "close");
    EXPECT_TRUE(client->AtEnd());
  }
  AwaitCount(done_, 1);
}

TEST_F(DrainTest, silent_connections_are_closed_late) {
  HttpServerThread server(app_);
  RawClient used(server.port());
  used.Send(kGet);
  used.ReadResponse();
  Drain(server, absl::Milliseconds(150));
  EXPECT_TRUE(used.AtEnd());
  EXPECT_FALSE(used.was_reset());
  used.Close();
  AwaitCount(done_, 1);
}

TEST_F(DrainTest, requests_in_flight_are_answered) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  RawClient body(server.port());
  body.Send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
  AwaitCount(app_.started, 2);
  Drain(server, absl::ZeroDuration());
  EXPECT_TRUE(client.Quiet());
  body.Send("bc");
  const auto posted = body.ReadResponse();
  EXPECT_EQ(posted.body, "Got 3 bytes in POST");
  EXPECT_EQ(posted.Field("Connection"), "close");
  EXPECT_EQ(done_, 0);
  server.Run([&] { waiting->Answer("late").IgnoreError(); });
  const auto response = client.ReadResponse();
  EXPECT_EQ(response.body, "late");
  EXPECT_EQ(response.Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
  AwaitCount(done_, 1);
}

// The head was sent before the drain, so nobody told the client; it must not stay for ever.
TEST_F(DrainTest, an_answer_begun_before_the_drain_ends_its_connection_once_idle_ones_go) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/begun", {.finish = [&](TestApp::Exchange& e) {
               e.connection->WriteHead({}, "be").IgnoreError();
               waiting = e.self;
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  Drain(server, absl::ZeroDuration());
  EXPECT_TRUE(client.ReadUntil("be\r\n").find("close") == std::string::npos);
  // Long enough for the timer of the idle ones.
  EXPECT_TRUE(client.Quiet());
  server.Run([&] {
    waiting->connection->Write("gun").IgnoreError();
    std::exchange(waiting->connection, nullptr)->Finish().IgnoreError();
  });
  EXPECT_EQ(client.ReadAll(), "3\r\ngun\r\n0\r\n\r\n");
  EXPECT_FALSE(client.was_reset());
  client.Close();
  AwaitCount(done_, 1);
}

// A request that lies unread in the socket when the silent connections are closed is answered.
TEST_F(DrainTest, a_request_that_has_arrived_is_not_closed_upon) {
  HttpServerThread server(app_);
  for (int round = 0; round < 50; ++round) {
    TestApp app;
    HttpServerThread one(app);
    RawClient client(one.port());
    client.Send(kGet);
    client.ReadResponse();
    std::atomic<bool> entered{false};
    std::atomic<bool> go{false};
    one.loop().AddCallback([&] {
      entered = true;
      while (!go) {
      }
      one.server().Drain({.idle_close_after = absl::ZeroDuration()}, [this] { ++done_; });
    });
    while (!entered) {
    }
    client.Send(kGet);
    go = true;
    const auto response = client.ReadResponse();
    ASSERT_EQ(response.body, "Hello world") << round;
    ASSERT_EQ(response.Field("Connection"), "close");
  }
}

TEST_F(DrainTest, pipelined_requests_behind_the_last_answer_do_not_reset_it) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(kGet);
  client.ReadResponse();
  Drain(server, absl::Hours(1));
  std::string many;
  for (int i = 0; i < 100; ++i) many += kGet;
  client.Send(many);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
  EXPECT_FALSE(client.was_reset());
  client.Close();
  AwaitCount(done_, 1);
}

// Clients that follow `Connection: close` lose nothing, whenever the drain comes.
TEST_F(DrainTest, keep_alive_load_loses_no_request) {
  auto server = std::make_unique<HttpServerThread>(app_);
  const uint16_t port = server->port();
  std::atomic<int> lost{0};
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    // Before the drain, however late its thread runs.
    auto connected = std::make_unique<RawClient>(port);
    clients.emplace_back([&, client = std::move(connected)] {
      for (;;) {
        client->Send(kGet);
        const auto response = client->ReadResponse();
        if (response.body != "Hello world") {
          ++lost;
          return;
        }
        ++answered;
        if (response.Field("Connection") == "close") return;
      }
    });
  }
  AwaitCount(answered, 500);
  Drain(*server, absl::Seconds(10));
  for (std::thread& client : clients) client.join();
  AwaitCount(done_, 1);
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace squall
