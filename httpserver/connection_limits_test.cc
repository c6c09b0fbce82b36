// How long and how much a connection may: requests, age, rates of body and answer, memory.
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(ConnectionLimitsTest, TheLastOfItsRequestsIsToldSo) {
  TestApp app;
  HttpServerThread server(app, {.max_keep_alive_requests = 3});
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send(kGet);
    EXPECT_FALSE(client.ReadResponse().HasField("Connection")) << i;
  }
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
}

// RFC 9112 9.6: a reset could take the answer with it.
TEST(ConnectionLimitsTest, WhoSendsOnBeforeItIsToldSoIsNotReset) {
  TestApp app;
  HttpServerThread server(app, {.max_keep_alive_requests = 1});
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  client.Send(kGet);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_FALSE(client.was_reset());
}

TEST(ConnectionLimitsTest, AnOldConnectionEndsWithItsNextAnswer) {
  TestApp app;
  HttpServerThread server(app, {.max_connection_age = absl::Nanoseconds(1)});
  RawClient client(server.port());
  // It has an age in the turn behind the one in which it was accepted.
  for (size_t open = 0; open == 0;) {
    server.Run([&] { open = server.server().connection_count(); });
  }
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
}

// The status of a body that comes at 50,000 octets in a second for two times its timeout.
int StatusOfASteadyBody(uint64_t min_rate) {
  TestApp app;
  HttpServerThread server(app,
                          {.body_timeout = absl::Milliseconds(300), .body_min_rate = min_rate});
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
  const absl::Time start = absl::Now();
  for (int i = 1; i <= 30; ++i) {
    absl::SleepFor(start + i * absl::Milliseconds(20) - absl::Now());
    if (!client.Send(std::string(1000, 'x'))) break;
  }
  return client.ReadResponse().status;
}

TEST(ConnectionLimitsTest, ABodyThatComesFastEnoughHasItsTime) {
  EXPECT_EQ(StatusOfASteadyBody(2000), 200);
}

TEST(ConnectionLimitsTest, ABodyThatComesTooSlowlyHasTheTimeoutAlone) {
  EXPECT_EQ(StatusOfASteadyBody(0), 408);
  EXPECT_EQ(StatusOfASteadyBody(1 << 30), 408);
}

// Whether the server gives up, within that time, a client that takes a little of a large answer now
// and then.
bool IsCutOff(uint64_t min_rate, absl::Duration within) {
  TestApp app;
  app.Route("/large", {.finish = [](TestApp::Exchange& e) {
              e.Answer(std::string(16 << 20, 'x')).IgnoreError();
            }});
  HttpServerThread server(app,
                          {.write_timeout = absl::Milliseconds(400), .write_min_rate = min_rate});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  for (const absl::Time end = absl::Now() + within; absl::Now() < end;) {
    absl::SleepFor(absl::Milliseconds(10));
    char data[16384];
    if (::recv(client.fd(), data, sizeof data, 0) <= 0 || app.closed > 0) return true;
  }
  return false;
}

TEST(ConnectionLimitsTest, WhoReadsALittleNowAndThenIsCutOff) {
  // Without the rate it would be done in ten seconds.
  EXPECT_TRUE(IsCutOff(1 << 30, absl::Seconds(8)));
}

TEST(ConnectionLimitsTest, WhoReadsFastEnoughIsNot) {
  EXPECT_FALSE(IsCutOff(1000, absl::Milliseconds(1200)));
  EXPECT_FALSE(IsCutOff(0, absl::Milliseconds(1200)));
}

TEST(ConnectionLimitsTest, AHandlerThatDoesNotWaitForItsClientIsStopped) {
  TestApp app;
  absl::Status last;
  uint64_t written = 0;
  app.Route("/endless", {.finish = [&](TestApp::Exchange& e) {
              last = e.connection->WriteHead(ResponseHead(), "");
              for (; last.ok() && written < 100 << 20; written += 1 << 20) {
                last = e.connection->Write(std::string(1 << 20, 'x'));
              }
            }});
  HttpServerThread server(app, {.max_write_buffer_size = 2 << 20});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  while (app.destroyed == 0) std::this_thread::yield();
  server.Run([&] {
    EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted) << last;
    EXPECT_LT(written, 20u << 20);
  });
}

}  // namespace
}  // namespace squall
