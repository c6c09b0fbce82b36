// Tornado's tcpserver_test.py: TCPServerTest, and what a server does when descriptors run out.
#include "squall/httpserver/tcpserver.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_stop.h"
#include "squall/netutil/sockets.h"

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

Task<> EchoUntilDrain(TcpServer* server, IOStream stream) {
  while (true) {
    absl::StatusOr<std::string> line =
        co_await WithStop(server->drain_token(), stream.ReadUntil("\n"));
    if (!line.ok()) co_return;
    (co_await stream.Write(*std::move(line))).IgnoreError();
  }
}

// Echoes whether or not the server drains.
Task<> EchoForEver(IOStream stream) {
  while (true) {
    absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n");
    if (!line.ok()) co_return;
    (co_await stream.Write(*std::move(line))).IgnoreError();
  }
}

// Runs `call` on the loop of another thread, and waits until it is done.
void CallOn(IOLoop& loop, absl::AnyInvocable<void()> call) {
  absl::Notification called;
  loop.AddCallback([&] {
    call();
    called.Notify();
  });
  called.WaitForNotification();
}

TEST(TCPServerTest, drain_without_connections_is_done_in_the_next_turn) {
  TestServer server(Greet);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  int done = 0;
  server.Drain({}, [&] { ++done; });
  server.Drain({}, [&] { ++done; });
  EXPECT_EQ(done, 0);
  EXPECT_TRUE(server.addresses().empty());
  IOLoop::Current().AddCallback([] { IOLoop::Current().Stop(); });
  IOLoop::Current().Start();
  EXPECT_EQ(done, 2);
}

TEST(TCPServerTest, drain_ends_reads_that_wait_for_the_token_and_then_is_done) {
  TestServer* self = nullptr;
  TestServer server([&self](IOStream stream) { return EchoUntilDrain(self, std::move(stream)); });
  self = &server;
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  IOLoop& loop = IOLoop::Current();
  WithClient([&] {
    RawClient client(port);
    client.Send("a\n");
    EXPECT_EQ(client.ReadUntil("\n"), "a\n");
    absl::Notification done;
    CallOn(loop, [&] {
      EXPECT_EQ(server.connection_count(), 1u);
      EXPECT_FALSE(server.drain_token().stop_requested());
      server.Drain({}, [&] { done.Notify(); });
      EXPECT_FALSE(done.HasBeenNotified());
    });
    EXPECT_EQ(client.ReadAll(), "");
    done.WaitForNotification();
    CallOn(loop, [&] { EXPECT_EQ(server.connection_count(), 0u); });
  });
}

TEST(TCPServerTest, drain_waits_for_streams_that_go_on) {
  TestServer server(EchoForEver);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  IOLoop& loop = IOLoop::Current();
  WithClient([&] {
    absl::Notification done;
    {
      RawClient client(port);
      client.Send("a\n");
      EXPECT_EQ(client.ReadUntil("\n"), "a\n");
      CallOn(loop, [&] { server.Drain({}, [&] { done.Notify(); }); });
      client.Send("b\n");
      EXPECT_EQ(client.ReadUntil("\n"), "b\n");
      CallOn(loop, [&] { EXPECT_FALSE(done.HasBeenNotified()); });
    }
    done.WaitForNotification();
  });
}

TEST(TCPServerTest, drain_is_done_though_the_server_is_gone) {
  auto server = std::make_unique<TestServer>(EchoForEver);
  ASSERT_TRUE(server->Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server->addresses().front().port();
  IOLoop& loop = IOLoop::Current();
  WithClient([&] {
    absl::Notification done;
    {
      RawClient client(port);
      client.Send("a\n");
      EXPECT_EQ(client.ReadUntil("\n"), "a\n");
      CallOn(loop, [&] {
        server->Drain({}, [&] { done.Notify(); });
        server.reset();
      });
      client.Send("b\n");
      EXPECT_EQ(client.ReadUntil("\n"), "b\n");
    }
    done.WaitForNotification();
  });
}

TEST(TCPServerTest, drain_when_the_pool_ends_takes_what_waits_and_then_refuses) {
  TestServer server(Greet);
  auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  const UniqueFd copy(::dup(sockets[0].fd()));
  server.AddSockets(std::move(sockets));
  const SocketAddress address = server.addresses().front();
  RawClient waiting(address);
  bool done = false;
  server.Drain({.pool_ends = true}, [&] {
    done = true;
    IOLoop::Current().Stop();
  });
  IOLoop::Current().Start();
  EXPECT_TRUE(done);
  EXPECT_EQ(waiting.ReadAll(), "data");
  const UniqueFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(late.get(), address.data(), address.size()), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST(TCPServerTest, stop_while_the_last_connections_are_accepted) {
  TestServer* self = nullptr;
  std::unique_ptr<IOStream> here;
  UniqueFd there;
  TestServer server([&](IOStream stream) {
    self->Stop();
    // Gets the numbers of the listening sockets.
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    here = std::make_unique<IOStream>(UniqueFd(fds[0]));
    there = UniqueFd(fds[1]);
    return Greet(std::move(stream));
  });
  self = &server;
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  RawClient waiting(server.addresses().front());
  server.Drain({.pool_ends = true}, nullptr);
  EXPECT_EQ(server.streams, 1);
  ASSERT_NE(here, nullptr);
  ASSERT_EQ(::send(there.get(), "x", 1, 0), 1);
  const auto read = IOLoop::Current().RunSync(here->ReadBytes(1), absl::Seconds(20));
  EXPECT_EQ(read.value_or("nothing"), "x");
  here = nullptr;
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
