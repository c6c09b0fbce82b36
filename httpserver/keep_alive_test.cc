// Tornado's KeepAliveTest (httpserver_test.py) and what else decides whether a connection is kept.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

class KeepAliveTest : public testing::Test {
 protected:
  KeepAliveTest() {
    app_.Route("/large", {.finish = [](TestApp::Exchange& e) {
                 e.Answer(std::string(4 << 20, 'a')).IgnoreError();
               }});
    app_.Route("/flush", {.finish = [](TestApp::Exchange& e) {
                 HttpConnection* const connection = std::exchange(e.connection, nullptr);
                 connection->WriteHead({}, "o").IgnoreError();
                 connection->Write("k").IgnoreError();
                 connection->Finish().IgnoreError();
               }});
    app_.Route("/finish_on_close", {.finish = [](TestApp::Exchange& e) { kept_ = e.connection; },
                                    .close =
                                        [](TestApp::Exchange&) {
                                          // Harmless, though the contract forbids later calls.
                                          kept_->FinishWith({}, "x").IgnoreError();
                                        }});
  }

  static HttpConnection* kept_;
  TestApp app_;
};
HttpConnection* KeepAliveTest::kept_ = nullptr;

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

TEST_F(KeepAliveTest, two_requests) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send(kGet);
    const auto response = client.ReadResponse();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "Hello world");
    EXPECT_FALSE(response.HasField("Connection"));
    EXPECT_EQ(response.Field("Date").size(), 29u);
    EXPECT_EQ(response.Field("Content-Length"), "11");
  }
  EXPECT_TRUE(client.Quiet());
}

// A reset could overtake the answer, RFC 9112 9.6.
TEST_F(KeepAliveTest, who_sends_in_pieces_may_send_on_behind_its_last_request) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().status, 200);
  client.Send("GET");
  // Between two of these callbacks the loop reads what is there.
  for (int i = 0; i < 3; ++i) server.Run([] {});
  client.Send(" /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status, 200);
  EXPECT_TRUE(client.AtEnd());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.Send(kGet)) << i;
  EXPECT_FALSE(client.was_reset());
}

// As old clients, which send a CRLF behind the body of a POST.
TEST_F(KeepAliveTest, who_sends_the_body_by_itself_may_send_on_behind_it) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
  for (int i = 0; i < 3; ++i) server.Run([] {});
  client.Send("hello");
  EXPECT_EQ(client.ReadResponse().status, 200);
  EXPECT_TRUE(client.AtEnd());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.Send("\r\n")) << i;
  EXPECT_FALSE(client.was_reset());
}

TEST_F(KeepAliveTest, request_close) {
  HttpServerThread server(app_);
  for (const char* field : {"close", "Close", "foo, close", "close, keep-alive"}) {
    RawClient client(server.port());
    client.Send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: " + std::string(field) + "\r\n\r\n");
    const auto response = client.ReadResponse();
    EXPECT_EQ(response.body, "Hello world");
    EXPECT_EQ(response.Field("Connection"), "close") << field;
    EXPECT_TRUE(client.AtEnd());
    EXPECT_FALSE(client.was_reset());
  }
}

TEST_F(KeepAliveTest, http10) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /hello HTTP/1.0\r\n\r\n");
  const auto response = client.ReadResponse();
  EXPECT_EQ(response.head.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(response.body, "Hello world");
  EXPECT_FALSE(response.HasField("Connection"));
  EXPECT_TRUE(client.AtEnd());
}

// RFC 9112 9.6: who spoke of it is told.
TEST_F(KeepAliveTest, http10_with_a_connection_field_is_told_of_the_close) {
  HttpServerThread server(app_, {.no_keep_alive = true});
  for (const char* field : {"close", "keep-alive", "x"}) {
    RawClient client(server.port());
    client.Send(absl::StrCat("GET /hello HTTP/1.0\r\nConnection: ", field, "\r\n\r\n"));
    EXPECT_EQ(client.ReadResponse().Field("Connection"), "close") << field;
    EXPECT_TRUE(client.AtEnd());
  }
}

// RFC 9110 9.3.2: whatever is wrong behind the method.
TEST_F(KeepAliveTest, a_refused_head_has_no_body) {
  HttpServerThread server(app_);
  const std::string end = "\r\nHost: a\r\n\r\n";
  for (const auto& [request, status] :
       {std::pair("HEAD /" + std::string(9000, 'a') + " HTTP/1.1" + end, "414"),
        std::pair("HEAD /# HTTP/1.1" + end, "400"), std::pair("HEAD / HTTP/2.0" + end, "505")}) {
    RawClient client(server.port());
    client.Send(request);
    const auto response = client.ReadResponse(/*to_head=*/true);
    EXPECT_EQ(response.head.substr(9, 3), status);
    EXPECT_NE(response.Field("Content-Length"), "0");
    EXPECT_TRUE(client.AtEnd()) << status;
  }
}

TEST_F(KeepAliveTest, http10_keepalive) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const auto response = client.ReadResponse();
    EXPECT_EQ(response.body, "Hello world");
    EXPECT_EQ(response.Field("Connection"), "Keep-Alive");
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, http10_keepalive_extra_crlf) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().Field("Connection"), "Keep-Alive");
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, pipelined_requests) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(std::string(kGet) + kGet);
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, pipelined_cancel) {
  HttpServerThread server(app_);
  {
    RawClient client(server.port());
    client.Send(std::string(kGet) + kGet);
    EXPECT_EQ(client.ReadResponse().body, "Hello world");
    client.Reset();
  }
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

TEST_F(KeepAliveTest, cancel_during_download) {
  HttpServerThread server(app_);
  {
    RawClient client(server.port());
    client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    client.ReadUntil("\r\n\r\n");
    client.Reset();
  }
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

TEST_F(KeepAliveTest, large_response_complete) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.Send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().body, std::string(4 << 20, 'a'));
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, finish_while_closed) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /finish_on_close HTTP/1.1\r\nHost: a\r\n\r\n");
  while (app_.finished == 0) std::this_thread::yield();
  client.Reset();
  while (app_.destroyed == 0) std::this_thread::yield();
  EXPECT_EQ(app_.closed, 1);
}

TEST_F(KeepAliveTest, keepalive_chunked) {
  HttpServerThread server(app_, {.http10_chunked_keep_alive = true});
  RawClient client(server.port());
  client.Send(
      "POST /hello HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "Got 0 bytes in POST");
  client.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
}

TEST_F(KeepAliveTest, keepalive_chunked_head_no_body) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send("HEAD /flush HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto response = client.ReadResponse(/*to_head=*/true);
    EXPECT_EQ(response.status, 200);
    EXPECT_FALSE(response.HasField("Transfer-Encoding"));
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, flush_chunked_and_close_delimited) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /flush HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto chunked = client.ReadResponse();
  EXPECT_EQ(chunked.Field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(chunked.body, "ok");
  EXPECT_TRUE(client.Quiet());
  for (const char* field : {"", "Connection: keep-alive\r\n"}) {
    RawClient old(server.port());
    old.Send("GET /flush HTTP/1.0\r\n" + std::string(field) + "\r\n");
    const auto response = old.ReadResponse();
    EXPECT_FALSE(response.HasField("Transfer-Encoding"));
    EXPECT_FALSE(response.HasField("Content-Length"));
    EXPECT_NE(response.Field("Connection"), "Keep-Alive");
    EXPECT_EQ(response.body, "ok");
    EXPECT_TRUE(old.AtEnd());
  }
}

TEST_F(KeepAliveTest, head_of_get_has_the_length_and_no_body) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).Field("Content-Length"), "11");
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, no_keep_alive_option) {
  HttpServerThread server(app_, {.no_keep_alive = true});
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(KeepAliveTest, half_closed_client_gets_its_answers) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(std::string(kGet) + kGet + "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  EXPECT_EQ(client.ReadResponse().body.size(), 4u << 20);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(KeepAliveTest, half_a_head_then_end_is_silent) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("GET /hel");
  client.ShutdownWrite();
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(app_.started, 0);
}

// The same octets in every segmentation into two, and one by one, give the same answers.
TEST_F(KeepAliveTest, every_segmentation) {
  HttpServerThread server(app_);
  const std::string requests =
      "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
      "POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n"
      "0\r\nT: v\r\n\r\n"
      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
  RawClient client(server.port());
  const auto check = [&client] {
    EXPECT_EQ(client.ReadResponse().body, "Got 3 bytes in POST");
    EXPECT_EQ(client.ReadResponse().body, "Got 3 bytes in POST");
    EXPECT_EQ(client.ReadResponse().body, "Hello world");
  };
  for (size_t cut = 0; cut <= requests.size(); ++cut) {
    client.Send(requests.substr(0, cut));
    if (cut % 8 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    client.Send(requests.substr(cut));
    check();
  }
  for (int i = 0; i < 3; ++i) {
    client.SendSlowly(requests);
    check();
  }
  EXPECT_TRUE(client.Quiet());
}

TEST_F(KeepAliveTest, one_connection_pipelining_for_ever_leaves_the_loop_to_others) {
  HttpServerThread server(app_, {.pipeline_burst = 4});
  RawClient greedy(server.port());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kGet;
  greedy.Send(many);
  RawClient other(server.port());
  other.Send(kGet);
  EXPECT_EQ(other.ReadResponse().body, "Hello world");
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(greedy.ReadResponse().body, "Hello world") << i;
  EXPECT_TRUE(greedy.Quiet());
}

// A few octets that wait for the next turn are used once.
TEST_F(KeepAliveTest, the_beginning_of_a_request_behind_a_whole_burst) {
  HttpServerThread server(app_, {.pipeline_burst = 4});
  for (const size_t size : {1, 5, 15, 16, 30}) {
    RawClient client(server.port());
    std::string burst;
    for (int i = 0; i < 4; ++i) burst += kGet;
    const std::string next = kGet;
    client.Send(burst + next.substr(0, size));
    for (int i = 0; i < 4; ++i) ASSERT_EQ(client.ReadResponse().body, "Hello world") << i;
    EXPECT_TRUE(client.Quiet());
    client.Send(next.substr(size));
    EXPECT_EQ(client.ReadResponse().body, "Hello world") << size;
  }
}

}  // namespace
}  // namespace squall
