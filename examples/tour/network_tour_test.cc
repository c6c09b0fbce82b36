// docs/ioloop.md, "Names and connections" and "Behind a proxy".
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/address.h"
#include "squall/netutil/connect.h"
#include "squall/netutil/resolver.h"
#include "squall/netutil/sockets.h"

namespace {

squall::Task<absl::StatusOr<std::string>> Ask(std::string host, uint16_t port) {
  squall::ConnectOptions options;
  options.timeout = absl::Seconds(5);  // the name, and all its addresses
  absl::StatusOr<squall::IOStream> stream = co_await squall::Connect(host, port, options);
  if (!stream.ok()) co_return stream.status();
  absl::Status asked = co_await stream->Write("who is there?\n");
  if (!asked.ok()) co_return asked;
  co_return co_await stream->ReadUntil("\n", 4096);
}

squall::Task<std::string> FirstAddress(squall::Resolver* resolver, std::string host) {
  absl::StatusOr<std::vector<squall::SocketAddress>> addresses =
      co_await resolver->Resolve(host, 443);
  if (!addresses.ok()) co_return std::string(addresses.status().message());
  co_return addresses->front().ToString();
}

class Greeter : public squall::TcpServer {
 public:
  explicit Greeter(squall::TcpServer::Options options) : TcpServer(std::move(options)) {}

  squall::Task<> HandleStream(squall::IOStream stream, squall::SocketAddress client) override {
    absl::StatusOr<std::string> question = co_await stream.ReadUntil("\n", 4096);
    if (!question.ok()) co_return;
    (co_await stream.Write("you are " + client.host() + "\n")).IgnoreError();
  }
};

TEST(NetworkTour, AskAServer) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  Greeter server({});
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  EXPECT_EQ(*loop.RunSync(Ask("localhost", port)), "you are 127.0.0.1\n");
  server.Stop();
  const auto refused = loop.RunSync(Ask("127.0.0.1", port));
  EXPECT_EQ(refused.status().message(), "cannot connect to \"127.0.0.1\" port " +
                                            std::to_string(port) + ": Connection refused");
}

TEST(NetworkTour, Resolve) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  squall::Resolver resolver(
      {.ttl = absl::Minutes(1),
       .overrides = {{.host = "db.example", .to_host = "127.0.0.1"},
                     {.host = "www.example", .to_host = "::1", .to_port = 8443}}});
  EXPECT_EQ(*loop.RunSync(FirstAddress(&resolver, "db.example")), "127.0.0.1:443");
  EXPECT_EQ(*loop.RunSync(FirstAddress(&resolver, "www.example")), "[::1]:8443");
}

TEST(NetworkTour, BehindAProxy) {
  squall::IOLoop& loop = squall::IOLoop::Current();
  squall::TcpServer::Options options;
  options.proxy_protocol = squall::ProxyProtocolOptions{.trusted = {"127.0.0.1", "10.0.0.0/8"}};
  Greeter server(options);
  ASSERT_TRUE(server.Listen(0, {.address = "127.0.0.1"}).ok());
  const uint16_t port = server.addresses().front().port();
  std::thread proxy([&] {
    squall::RawClient client(port);
    client.Send("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nwho is there?\n");
    EXPECT_EQ(client.ReadAll(), "you are 192.0.2.1\n");
    loop.AddCallback([&] { loop.Stop(); });
  });
  loop.Start();
  proxy.join();
}

}  // namespace
