// Servers that outlive their loop, as a static one does, whose loop ends with the main thread.
#include <cstdint>
#include <optional>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"
#include "squall/netutil/proxy_protocol.h"
#include "squall/process/drain.h"

namespace squall {
namespace {

class GreetingServer : public TcpServer {
 public:
  Task<> HandleStream(IOStream stream, SocketAddress) override {
    (co_await stream.Write("data")).IgnoreError();
    (co_await stream.ReadUntilClose()).IgnoreError();
  }
};

class EndedLoopTest : public testing::Test {
 protected:
  void Listen(TcpServer* server) {
    ASSERT_TRUE(server->Listen(0, {.address = "127.0.0.1"}).ok());
    port_ = server->addresses().front().port();
  }
  // Runs `client` in a thread of its own while this thread's loop serves; then the loop ends.
  void ServeUntilDone(absl::AnyInvocable<void()> client) {
    IOLoop& loop = IOLoop::Current();
    loop_ = &loop;
    std::thread thread([&] {
      client();
      loop.AddCallback([&loop] { loop.Stop(); });
    });
    loop.Start();
    thread.join();
    IOLoop::ClearCurrent();
  }

  IOLoop* loop_ = nullptr;  // while it serves
  uint16_t port_ = 0;
};

TEST_F(EndedLoopTest, TcpServer) {
  GreetingServer server;
  Listen(&server);
  std::optional<RawClient> client;
  ServeUntilDone([&] { EXPECT_EQ(client.emplace(port_).ReadUntil("data"), "data"); });
  EXPECT_EQ(client->ReadAll(), "");
}

TEST_F(EndedLoopTest, HttpServerWithConnections) {
  TestApp app;
  app.Route("/unanswered", {.finish = [](TestApp::Exchange&) {}});
  std::optional<RawClient> kept;
  std::optional<RawClient> unanswered;
  {
    HttpServer server(app);
    Listen(&server);
    ServeUntilDone([&] {
      kept.emplace(port_).Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
      EXPECT_EQ(kept->ReadResponse().status, 200);
      unanswered.emplace(port_).Send("GET /unanswered HTTP/1.1\r\nHost: a\r\n\r\n");
      EXPECT_TRUE(unanswered->Quiet());
    });
    EXPECT_EQ(server.connection_count(), 2u);
    EXPECT_EQ(IOLoop::IfExists(), nullptr);
  }
  EXPECT_EQ(kept->ReadAll(), "");
  EXPECT_EQ(unanswered->ReadAll(), "");
  EXPECT_EQ(IOLoop::IfExists(), nullptr);
}

TEST_F(EndedLoopTest, HttpServerThatDrains) {
  TestApp app;
  app.Route("/unanswered", {.finish = [](TestApp::Exchange&) {}});
  std::optional<RawClient> client;
  {
    HttpServer server(app);
    Listen(&server);
    ServeUntilDone([&] {
      client.emplace(port_).Send("GET /unanswered HTTP/1.1\r\nHost: a\r\n\r\n");
      EXPECT_TRUE(client->Quiet());
      absl::Notification drains;
      loop_->AddCallback([&] {
        server.Drain({}, [] { ADD_FAILURE() << "drained"; });
        drains.Notify();
      });
      drains.WaitForNotification();
    });
  }
  EXPECT_EQ(client->ReadAll(), "");
}

TEST_F(EndedLoopTest, ClientThatHasNotSaidWhoItIs) {
  TestApp app;
  HttpServerOptions options;
  options.proxy_protocol = ProxyProtocolOptions{.trusted = {"127.0.0.1"}};
  std::optional<RawClient> client;
  {
    HttpServer server(app, options);
    Listen(&server);
    ServeUntilDone([&] { EXPECT_TRUE(client.emplace(port_).Quiet()); });
  }
  EXPECT_EQ(client->ReadAll(), "");
}

}  // namespace
}  // namespace squall
