// Tornado's tcpserver_test.py: TCPServerTest, and what a server does when descriptors run out.
#include "squall/httpserver/tcpserver.h"

#include <sys/resource.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/ioloop.h"

namespace squall {
namespace {

class TestServer : public TcpServer {
 public:
  using Serve = std::function<Task<>(IOStream)>;
  explicit TestServer(Serve serve) : serve_(std::move(serve)) {}
  Task<> HandleStream(IOStream stream, SocketAddress) override {
    ++streams;
    return serve_(std::move(stream));
  }
  int streams = 0;

 private:
  Serve serve_;
};

Task<> Greet(IOStream stream) {
  (co_await stream.Write("data")).IgnoreError();
  stream.Close();
}

Task<> GreetAndThrow(IOStream stream) {
  (co_await stream.Write("data")).IgnoreError();
  stream.Close();
  throw std::runtime_error("1/0");
}

Task<> ThrowBeforeTheTask(IOStream) { throw std::runtime_error("at once"); }

// Runs `client` in a thread of its own while this thread's loop serves.
void WithClient(absl::AnyInvocable<void()> client) {
  IOLoop& loop = IOLoop::Current();
  std::thread thread([&] {
    client();
    loop.AddCallback([&loop] { loop.Stop(); });
  });
  loop.Start();
  thread.join();
}

TEST(TCPServerTest, handle_stream_coroutine_logging) {
  TestServer server(GreetAndThrow);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  WithClient([port] {
    // The second one shows that accepting goes on.
    for (int i = 0; i < 2; ++i) EXPECT_EQ(RawClient(port).ReadAll(), "data");
  });
  EXPECT_EQ(server.streams, 2);
}

TEST(TCPServerTest, handle_stream_that_throws_before_its_task_exists) {
  TestServer server([](IOStream stream) -> Task<> {
    if (stream.fd() >= 0) throw std::logic_error("no task");
    return Greet(std::move(stream));
  });
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  WithClient([port] {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(RawClient(port).ReadAll(), "");
  });
  EXPECT_EQ(server.streams, 2);
}

TEST(TCPServerTest, handle_stream_that_throws_at_once) {
  TestServer server(ThrowBeforeTheTask);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  WithClient([port] {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(RawClient(port).ReadAll(), "");
  });
}

TEST(TCPServerTest, stop_twice) {
  TestServer server(Greet);
  auto sockets = BindSockets(0, {.address = "127.0.0.1"});
  ASSERT_TRUE(sockets.ok());
  server.AddSockets(*std::move(sockets));
  EXPECT_EQ(server.addresses().size(), 1u);
  server.Stop();
  server.Stop();
  EXPECT_TRUE(server.addresses().empty());
}

TEST(TCPServerTest, stop_in_callback) {
  // Tornado issue 2069: 40 clients at once, the first one stops the server.
  TestServer* self = nullptr;
  TestServer server([&self](IOStream stream) {
    self->Stop();
    return Greet(std::move(stream));
  });
  self = &server;
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  // They connect to the backlog before the loop accepts the first.
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(std::make_unique<RawClient>(port));
  WithClient([&clients] {
    int greeted = 0;
    for (auto& client : clients) greeted += client->ReadAll() == "data";
    EXPECT_EQ(greeted, 1);
  });
  EXPECT_TRUE(server.addresses().empty());
}

TEST(TCPServerTest, listen_repeatedly_serves_all) {
  TestServer server(Greet);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const auto addresses = server.addresses();
  ASSERT_EQ(addresses.size(), 2u);
  WithClient([&] {
    for (const auto& address : addresses) EXPECT_EQ(RawClient(address).ReadAll(), "data");
  });
}

// A worker that is forked when its pool has begun to end.
TEST(TCPServerTest, sockets_that_a_sibling_has_shut_down) {
  std::vector<ListenSocket> sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  ListenSocket same(UniqueFd(::dup(sockets[0].fd())), sockets[0].address());
  TestServer sibling(Greet);
  sibling.AddSockets(std::move(sockets));
  sibling.AcceptLast();
  TestServer late(Greet);
  late.AddSocket(std::move(same));
  EXPECT_TRUE(late.addresses().empty());
}

TEST(TCPServerTest, listen_on_a_used_port_says_so) {
  TestServer one(Greet);
  TestServer two(Greet);
  ASSERT_TRUE(one.Listen(0, {.address = "127.0.0.1"}).ok());
  EXPECT_FALSE(two.Listen(one.addresses().front().port(), {.address = "127.0.0.1"}).ok());
}

// EMFILE: the server neither spins nor dies, and goes on when there are descriptors again.
TEST(TCPServerTest, out_of_descriptors) {
  TestServer server(Greet);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  WithClient([port] {
    RawClient client(port);
    EXPECT_EQ(client.ReadAll(), "data");
    RawClient waiting(port);
    EXPECT_EQ(waiting.ReadAll(), "data");
    rlimit old;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    std::vector<UniqueFd> hoard;
    const int probe = ::dup(0);
    ASSERT_GE(probe, 0);
    ::close(probe);
    // The client's own socket is the last descriptor that fits.
    const rlimit tight = {.rlim_cur = static_cast<rlim_t>(probe) + 1, .rlim_max = old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    RawClient starved(port);
    EXPECT_TRUE(starved.Quiet());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    EXPECT_EQ(starved.ReadAll(), "data");
  });
}

}  // namespace
}  // namespace squall
