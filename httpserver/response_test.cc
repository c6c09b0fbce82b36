// Answers: framing errors of delegates, exceptions, streaming with back-pressure, clients that
// leave, and X-headers and unix sockets as Tornado's XHeaderTest and UnixSocketTest have them.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/httpserver/await_count.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/sockets.h"

namespace squall {
namespace {

class ResponseTest : public testing::Test {
 protected:
  std::string Get(uint16_t port, const std::string& path, const std::string& fields = "") {
    RawClient client(port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + "\r\n");
    return client.ReadResponse().body;
  }

  TestApp app_;
};

ResponseHead WithLength(std::string_view value) {
  ResponseHead head;
  head.headers.Set("Content-Length", value);
  return head;
}

TEST_F(ResponseTest, content_length_mismatch) {
  absl::Status low, high, write;
  app_.Route("/low", {.finish = [&](TestApp::Exchange& e) {
               low = e.connection->FinishWith(WithLength("2"), "hello");
             }});
  app_.Route("/high", {.finish = [&](TestApp::Exchange& e) {
               high = e.connection->FinishWith(WithLength("42"), "ok");
             }});
  app_.Route("/write", {.finish = [&](TestApp::Exchange& e) {
               e.connection->WriteHead(WithLength("3"), "ab").IgnoreError();
               write = e.connection->Write("cd");
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /low HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadAll(), "");
  RawClient client2(server.port());
  client2.Send("GET /high HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto response = client2.ReadResponse();
  EXPECT_TRUE(response.truncated);
  EXPECT_EQ(response.body, "ok");
  RawClient client3(server.port());
  client3.Send("GET /write HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client3.ReadResponse().body, "ab");
  AwaitCount(app_.closed, 3);
  EXPECT_TRUE(absl::IsOutOfRange(low)) << low;
  EXPECT_TRUE(absl::IsOutOfRange(high)) << high;
  EXPECT_TRUE(absl::IsOutOfRange(write)) << write;
}

TEST_F(ResponseTest, InvalidOutputContentLengthTest) {
  app_.Route("/", {.finish = [&](TestApp::Exchange& e) {
               for (const char* bad : {"foo", "+10", "1_0", "", "-1", "99999999999999999999"}) {
                 EXPECT_TRUE(absl::IsInvalidArgument(e.connection->WriteHead(WithLength(bad), "")))
                     << bad;
               }
               ResponseHead head;
               head.reason = "OK\r\nX-Injection: injected";
               EXPECT_TRUE(absl::IsInvalidArgument(e.connection->FinishWith(head, "")));
               head.reason = "";
               head.status = 99;
               EXPECT_TRUE(absl::IsInvalidArgument(e.connection->FinishWith(head, "")));
               head.status = 200;
               EXPECT_FALSE(head.headers.Set("X-Foo", "foo\r\nX-Bar: baz"));
               head.headers.Set("Transfer-Encoding", "chunked");
               EXPECT_TRUE(absl::IsInvalidArgument(e.connection->FinishWith(head, "")));
               e.Answer("rejected").IgnoreError();
             }});
  HttpServerThread server(app_);
  EXPECT_EQ(Get(server.port(), "/"), "rejected");
}

TEST_F(ResponseTest, no_body_for_204_and_304) {
  app_.Route("/204", {.finish = [&](TestApp::Exchange& e) {
               ResponseHead head = WithLength("5");
               head.status = 204;
               EXPECT_TRUE(std::exchange(e.connection, nullptr)->FinishWith(head, "").ok());
             }});
  app_.Route("/304", {.finish = [&](TestApp::Exchange& e) {
               ResponseHead head;
               head.status = 304;
               EXPECT_TRUE(std::exchange(e.connection, nullptr)->FinishWith(head, "text").ok());
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (const char* path : {"/204", "/304"}) {
    client.Send(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    const auto response = client.ReadResponse();
    EXPECT_FALSE(response.HasField("Content-Length")) << path;
    EXPECT_FALSE(response.HasField("Transfer-Encoding")) << path;
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(ResponseTest, exceptions_become_500_or_a_close) {
  app_.Route("/headers", {.headers = [](TestApp::Exchange&) { throw std::runtime_error("a"); }});
  app_.Route("/finish", {.finish = [](TestApp::Exchange&) { throw 42; }});
  app_.Route("/late", {.finish = [](TestApp::Exchange& e) {
               e.connection->WriteHead({}, "begun").IgnoreError();
               throw std::runtime_error("b");
             }});
  HttpServerThread server(app_);
  for (const char* path : {"/headers", "/finish"}) {
    RawClient client(server.port());
    client.Send(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(client.ReadResponse().status, 500) << path;
  }
  RawClient client(server.port());
  client.Send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto response = client.ReadResponse();
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.truncated);
  EXPECT_EQ(Get(server.port(), "/hello"), "Hello world");
}

TEST_F(ResponseTest, late_answers_are_served_in_order) {
  std::vector<std::shared_ptr<TestApp::Exchange>> waiting;
  std::atomic<int> count{0};
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) {
               waiting.push_back(e.self);
               ++count;
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(
      "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(count, 1);
  client.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.Quiet());
  server.Run([&] { waiting[0]->Answer("first").IgnoreError(); });
  EXPECT_EQ(client.ReadResponse().body, "first");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  AwaitCount(count, 2);
  EXPECT_EQ(app_.started, 3);
  server.Run([&] { waiting[1]->Answer("second").IgnoreError(); });
  EXPECT_EQ(client.ReadResponse().body, "second");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_TRUE(client.Quiet());
}

TEST_F(ResponseTest, a_client_that_resets_is_told_to_the_delegate) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  client.Reset();
  AwaitCount(app_.closed, 1);
  AwaitCount(app_.destroyed, 1);
  server.Run([&] { EXPECT_EQ(server.server().connection_count(), 0u); });
}

TEST_F(ResponseTest, a_half_closed_client_is_gone_when_the_option_says_so) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_, {.answer_half_closed = false});
  RawClient client(server.port());
  client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(app_.finished, 1);
  client.ShutdownWrite();
  AwaitCount(app_.closed, 1);
}

TEST_F(ResponseTest, half_closed_client_gets_a_late_answer_without_spinning) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  client.ShutdownWrite();
  AwaitCount(app_.finished, 1);
  EXPECT_TRUE(client.Quiet());
  server.Run([&] { waiting->Answer("late").IgnoreError(); });
  const auto response = client.ReadResponse();
  EXPECT_EQ(response.body, "late");
  EXPECT_EQ(response.Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
}

// Each while the server knows of the end of what the client sends.
TEST_F(ResponseTest, half_closed_client_gets_late_answers_to_all_that_it_has_asked) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  const std::string request = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
  client.Send(request + request + request);
  client.ShutdownWrite();
  for (int i = 1; i <= 3; ++i) {
    AwaitCount(app_.finished, i);
    EXPECT_TRUE(client.Quiet());
    server.Run([&] { waiting->Answer("late").IgnoreError(); });
    EXPECT_EQ(client.ReadResponse().Field("Connection"), i == 3 ? "close" : "") << i;
  }
  EXPECT_TRUE(client.AtEnd());
}

// The last of which is cut short.
TEST_F(ResponseTest, half_closed_client_gets_the_answers_before_half_a_body) {
  std::shared_ptr<TestApp::Exchange> waiting;
  app_.Route("/later", {.finish = [&](TestApp::Exchange& e) { waiting = e.self; }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(
      "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  client.ShutdownWrite();
  AwaitCount(app_.finished, 1);
  EXPECT_TRUE(client.Quiet());
  server.Run([&] { waiting->Answer("late").IgnoreError(); });
  EXPECT_EQ(client.ReadResponse().body, "late");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_TRUE(client.AtEnd());
  AwaitCount(app_.closed, 1);
}

TEST_F(ResponseTest, a_body_cut_short_is_told_to_the_delegate) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  client.ShutdownWrite();
  EXPECT_TRUE(client.AtEnd());
  AwaitCount(app_.closed, 1);
  EXPECT_EQ(app_.finished, 0);
}

Task<> Stream(std::shared_ptr<TestApp::Exchange> exchange, size_t pieces, size_t size,
              size_t* most_buffered, std::atomic<int>* ended) {
  const std::string piece(size, 'p');
  absl::Status status = exchange->connection->WriteHead({}, "");
  for (size_t i = 0; i < pieces && status.ok() && exchange->connection != nullptr; ++i) {
    status = exchange->connection->Write(piece);
    if (!status.ok()) break;
    *most_buffered = std::max(*most_buffered, exchange->connection->write_buffer_size());
    status = co_await exchange->connection->Drained();
  }
  if (status.ok() && exchange->connection != nullptr) {
    std::exchange(exchange->connection, nullptr)->Finish().IgnoreError();
  }
  ++*ended;
}

TEST_F(ResponseTest, writers_wait_for_slow_readers) {
  size_t most = 0;
  std::atomic<int> ended{0};
  app_.Route("/stream", {.finish = [&](TestApp::Exchange& e) {
               e.connection->loop().Spawn(Stream(e.self, 400, 100000, &most, &ended));
             }});
  HttpServerThread server(app_);
  RawClient client(server.port(), {.receive_buffer = 65536});
  client.Send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(ended, 0);
  const auto response = client.ReadResponse();
  EXPECT_EQ(response.body.size(), 400u * 100000);
  AwaitCount(ended, 1);
  EXPECT_LE(most, 256u * 1024 + 200000);
  EXPECT_GT(most, 0u);
  client.Send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

// Small pieces, which the socket takes at once.
Task<> StreamSmall(std::shared_ptr<TestApp::Exchange> exchange, bool* others_ran) {
  HttpConnection& connection = *exchange->connection;
  connection.loop().AddCallback([others_ran] { *others_ran = true; });
  absl::Status status = connection.WriteHead(ResponseHead(), "");
  for (int i = 0; i < 64 && status.ok(); ++i) {
    status = connection.Write("x");
    if (status.ok()) status = co_await connection.Drained();
  }
  if (!status.ok()) co_return;
  connection.Write(*others_ran ? "others ran" : "alone").IgnoreError();
  exchange->connection = nullptr;
  connection.Finish().IgnoreError();
}

TEST_F(ResponseTest, a_client_that_takes_all_leaves_others_their_turn) {
  bool others_ran = false;
  app_.Route("/stream", {.finish = [&](TestApp::Exchange& e) {
               e.connection->loop().Spawn(StreamSmall(e.self, &others_ran));
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, std::string(64, 'x') + "others ran");
}

TEST_F(ResponseTest, writers_hear_of_a_client_that_leaves) {
  size_t most = 0;
  std::atomic<int> ended{0};
  app_.Route("/stream", {.finish = [&](TestApp::Exchange& e) {
               e.connection->loop().Spawn(Stream(e.self, 100000, 100000, &most, &ended));
             }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  client.Reset();
  AwaitCount(ended, 1);
  AwaitCount(app_.closed, 1);
}

TEST_F(ResponseTest, a_client_that_never_reads_is_cut_off) {
  size_t most = 0;
  std::atomic<int> ended{0};
  app_.Route("/stream", {.finish = [&](TestApp::Exchange& e) {
               e.connection->loop().Spawn(Stream(e.self, 100000, 100000, &most, &ended));
             }});
  HttpServerThread server(app_, {.write_timeout = absl::Milliseconds(200)});
  RawClient client(server.port(), {.receive_buffer = 4096});
  client.Send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  AwaitCount(ended, 1);
  AwaitCount(app_.closed, 1);
  EXPECT_EQ(Get(server.port(), "/hello"), "Hello world");
}

TEST_F(ResponseTest, endless_pipelining_without_reading_is_bounded) {
  constexpr int kRequests = 2000;
  constexpr size_t kBody = 10000;
  const HttpServerOptions options = {.write_high_mark = 100000, .write_low_mark = 50000};
  std::atomic<size_t> most{0};  // that waited when a request was served
  app_.Route("/kilo", {.finish = [&](TestApp::Exchange& e) {
               most = std::max<size_t>(most, e.connection->write_buffer_size());
               e.Answer(std::string(kBody, 'k')).IgnoreError();
             }});
  HttpServerThread server(app_, options);
  RawClient client(server.port(), {.receive_buffer = 4096});
  std::string many;
  for (int i = 0; i < kRequests; ++i) many += "GET /kilo HTTP/1.1\r\nHost: a\r\n\r\n";
  std::thread sender([&] { client.Send(many); });
  // 20 MB of answers are due; the kernel takes a part of it, and the server keeps up to its mark.
  const auto has_reached_the_mark = [&] { return most + 2 * kBody > options.write_high_mark; };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int before = -1, still = 0; still < 20 || !has_reached_the_mark();) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "the server goes on: " << app_.started << " requests, " << most << " octets";
      break;
    }
    still = app_.started == before ? still + 1 : 0;
    before = app_.started;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LT(app_.started, kRequests);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.ReadResponse().body.size(), kBody) << i;
  sender.join();
  EXPECT_TRUE(client.Quiet());
  EXPECT_LE(most, options.write_high_mark);
}

TEST_F(ResponseTest, echo_while_reading) {
  app_.Route(
      "/echo",
      {.headers = [](TestApp::Exchange& e) { e.connection->WriteHead({}, "").IgnoreError(); },
       .data = [](TestApp::Exchange& e,
                  std::string_view data) { e.connection->Write(data).IgnoreError(); },
       .finish =
           [](TestApp::Exchange& e) {
             std::exchange(e.connection, nullptr)->Finish().IgnoreError();
           }});
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    EXPECT_NE(client.ReadUntil("abc\r\n").find("chunked"), std::string::npos);
    client.Send("def");
    EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "3\r\ndef\r\n0\r\n\r\n");
  }
  EXPECT_TRUE(client.Quiet());
}

class XHeaderTest : public ResponseTest {
 protected:
  XHeaderTest() {
    app_.Route("/", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(absl::StrCat(std::string(e.connection->remote_ip()), " ",
                                       std::string(e.connection->protocol())))
                     .IgnoreError();
               }});
  }
};

TEST_F(XHeaderTest, ip_headers) {
  HttpServerThread server(app_, {.xheaders = true, .trusted_downstream = {"5.5.5.5"}});
  const auto ip = [&](const std::string& fields) { return Get(server.port(), "/", fields); };
  EXPECT_EQ(ip(""), "127.0.0.1 http");
  EXPECT_EQ(ip("X-Real-IP: 4.4.4.4\r\n"), "4.4.4.4 http");
  EXPECT_EQ(ip("X-Forwarded-For: 127.0.0.1, 4.4.4.4\r\n"), "4.4.4.4 http");
  EXPECT_EQ(ip("X-Real-IP: 2620:0:1cfe:face:b00c::3\r\n"), "2620:0:1cfe:face:b00c::3 http");
  EXPECT_EQ(ip("X-Forwarded-For: ::1, 2620:0:1cfe:face:b00c::3\r\n"),
            "2620:0:1cfe:face:b00c::3 http");
  EXPECT_EQ(ip("X-Real-IP: 4.4.4.4<script>\r\n"), "127.0.0.1 http");
  EXPECT_EQ(ip("X-Forwarded-For: 4.4.4.4, 5.5.5.5<script>\r\n"), "127.0.0.1 http");
  EXPECT_EQ(ip("X-Real-IP: www.google.com\r\n"), "127.0.0.1 http");
}

TEST_F(XHeaderTest, trusted_downstream) {
  HttpServerThread server(app_,
                          {.xheaders = true, .trusted_downstream = {"5.5.5.5", "10.0.0.0/8"}});
  const auto ip = [&](const std::string& fields) { return Get(server.port(), "/", fields); };
  EXPECT_EQ(ip("X-Forwarded-For: 127.0.0.1, 4.4.4.4, 5.5.5.5\r\n"), "4.4.4.4 http");
  EXPECT_EQ(ip("X-Forwarded-For: 4.4.4.4, 10.1.2.3\r\nX-Forwarded-For: 5.5.5.5\r\n"),
            "4.4.4.4 http");
}

TEST_F(XHeaderTest, scheme_headers) {
  HttpServerThread server(app_, {.xheaders = true});
  const auto scheme = [&](const std::string& fields) { return Get(server.port(), "/", fields); };
  EXPECT_EQ(scheme("X-Scheme: https\r\n"), "127.0.0.1 https");
  EXPECT_EQ(scheme("X-Forwarded-Proto: https\r\n"), "127.0.0.1 https");
  EXPECT_EQ(scheme("X-Forwarded-Proto: https , http\r\n"), "127.0.0.1 http");
  EXPECT_EQ(scheme("X-Forwarded-Proto: http, https\r\n"), "127.0.0.1 https");
  EXPECT_EQ(scheme("X-Forwarded-Proto: unknown\r\n"), "127.0.0.1 http");
}

TEST_F(XHeaderTest, off_by_default_and_restored_after_each_request) {
  HttpServerThread plain(app_);
  EXPECT_EQ(Get(plain.port(), "/", "X-Real-IP: 4.4.4.4\r\nX-Scheme: https\r\n"), "127.0.0.1 http");
  HttpServerThread server(app_, {.xheaders = true});
  RawClient client(server.port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 4.4.4.4\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "4.4.4.4 http");
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "127.0.0.1 http");
}

TEST_F(XHeaderTest, ManualProtocolTest) {
  HttpServerThread server(app_, {.protocol = "https"});
  EXPECT_EQ(Get(server.port(), "/"), "127.0.0.1 https");
}

TEST_F(XHeaderTest, UnixSocketTest) {
  // Relative, because a test's directory is often deeper than a socket's path may be long.
  const char* directory = std::getenv("TEST_TMPDIR");
  if (directory != nullptr) {
    ASSERT_EQ(::chdir(directory), 0);
  }
  for (const std::string& name : {std::string("http.sock"), std::string("\0squall-http-test-", 18) +
                                                                std::to_string(::getpid())}) {
    std::vector<ListenSocket> sockets;
    sockets.push_back(BindUnixSocket(name).value());
    HttpServerThread server(app_, {}, std::move(sockets));
    RawClient client(server.address());
    client.Send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().body, "0.0.0.0 http");
    EXPECT_TRUE(client.AtEnd());
    RawClient bad(server.address());
    bad.Send("garbage\r\n\r\n");
    EXPECT_EQ(bad.ReadResponse().status, 400);
    EXPECT_TRUE(bad.AtEnd());
  }
}

}  // namespace
}  // namespace squall
