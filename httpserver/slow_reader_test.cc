// Clients that take their answer slowly or not at all: what write_timeout counts as progress, and what
// the kernel keeps of them.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/kernel_queues.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

// More than the kernel takes for a client with a small window, by a fraction of what it takes in all.
constexpr size_t kMuch = 8 << 20;

class SlowReaderTest : public testing::Test {
 protected:
  SlowReaderTest() {
    app_.Route("/much", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(std::string(kMuch, 'm')).IgnoreError();
               }});
    app_.Route("/some", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(std::string(512 << 10, 's')).IgnoreError();
               }});
  }

  void AwaitNoConnections(HttpServerThread& server) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    for (size_t count = 1; count > 0;) {
      ASSERT_LT(absl::Now(), deadline);
      server.Run([&] { count = server.server().connection_count(); });
    }
  }

  TestApp app_;
};

TEST_F(SlowReaderTest, WhoTakesNothingIsCutOffAfterTheTimeoutNotAfterTwice) {
  constexpr absl::Duration kTimeout = absl::Seconds(3);
  // A rate would end it, too.
  HttpServerThread server(
      app_, {.write_timeout = kTimeout, .write_min_rate = 0, .max_write_buffer_size = 2 * kMuch});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  const absl::Time begin = absl::Now();
  AwaitNoConnections(server);
  EXPECT_GE(absl::Now() - begin, kTimeout * 0.9);
  EXPECT_LT(absl::Now() - begin, kTimeout * 1.7);
  EXPECT_EQ(KernelQueuesOf(server.port()).sockets, 0u)
      << "reset, so that the kernel keeps nothing of it";
}

// An attempt to write more is no progress of the client's.
TEST_F(SlowReaderTest, OverAUnixSocketToo) {
  const std::string path = absl::StrCat("/tmp/squall_slow_reader_", ::getpid());
  auto listener = BindUnixSocket(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<ListenSocket> sockets;
  sockets.push_back(*std::move(listener));
  HttpServerThread server(app_,
                          {.write_timeout = absl::Milliseconds(300),
                           .write_min_rate = 0,
                           .max_write_buffer_size = 2 * kMuch},
                          std::move(sockets));
  RawClient client(server.address());
  client.Send("GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  AwaitNoConnections(server);
}

// Too little in that time for epoll to say that there is room again.
TEST_F(SlowReaderTest, WhoTakesALittleIsNotCutOff) {
  constexpr absl::Duration kTimeout = absl::Seconds(2);
  HttpServerThread server(app_, {.write_timeout = kTimeout, .max_write_buffer_size = 2 * kMuch});
  RawClient client(server.port(), {.receive_buffer = 16384});
  client.Send("GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  std::string piece(32 << 10, '\0');
  for (int i = 0; i < 8; ++i) {
    ASSERT_GT(::recv(client.fd(), piece.data(), piece.size(), MSG_WAITALL), 0) << i;
    absl::SleepFor(kTimeout / 4);
  }
  size_t count = 0;
  server.Run([&] { count = server.server().connection_count(); });
  EXPECT_EQ(count, 1u);
}

// The whole answer fits into the kernel's buffer, so that nobody waits in the server.
TEST_F(SlowReaderTest, TheKernelDoesNotKeepForMinutesWhatNobodyTakes) {
  HttpServerThread server(
      app_, {.write_timeout = absl::Seconds(1), .linger_timeout = absl::Milliseconds(100)});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /some HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  AwaitCount(app_.finished, 1);
  server.Run([] {});  // the turn that has sent it is over
  EXPECT_GT(KernelQueuesOf(server.port()).unsent, 0u) << "the answer did not fit, or is taken";
  AwaitNoConnections(server);
  EXPECT_EQ(KernelQueuesOf(server.port()).sockets, 0u) << "reset";
}

TEST_F(SlowReaderTest, WhoTakesTheEndSlowlyGetsIt) {
  constexpr absl::Duration kTimeout = absl::Seconds(1);
  HttpServerThread server(app_,
                          {.write_timeout = kTimeout, .linger_timeout = absl::Milliseconds(100)});
  RawClient client(server.port(), {.receive_buffer = 16384});
  client.Send("GET /some HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  std::string piece(64 << 10, '\0');
  size_t taken = 0;
  for (ssize_t got; (got = ::recv(client.fd(), piece.data(), piece.size(), MSG_WAITALL)) > 0;) {
    taken += static_cast<size_t>(got);
    absl::SleepFor(kTimeout / 4);
  }
  EXPECT_GT(taken, 512u << 10);
  AwaitNoConnections(server);
}

}  // namespace
}  // namespace squall
