// Refusals and limits: Tornado's HTTPServerRawTest, BodyLimitsTest, MaxHeaderSizeTest,
// IdleTimeoutTest, StreamingChunkSizeTest and GzipTest (httpserver_test.py), and the timeouts of
// DESIGN.md §5.
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"

namespace squall {
namespace {

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

void AnswerSizes(TestApp::Exchange& e) { e.Answer(absl::StrJoin(e.sizes, ",")).IgnoreError(); }

class RequestTest : public testing::Test {
 protected:
  RequestTest() {
    app_.Route("/sizes", {.finish = AnswerSizes});
    app_.Route(
        "/streaming",
        {.headers = [](TestApp::Exchange& e) { e.connection->SetMaxBodySize(10240); },
         .finish =
             [](TestApp::Exchange& e) { e.Answer(std::to_string(e.body.size())).IgnoreError(); }});
    app_.Route("/impatient", {.headers = [](TestApp::Exchange& e) {
                 e.connection->SetBodyTimeout(absl::Milliseconds(100));
               }});
    app_.Route("/early", {.headers = [](TestApp::Exchange& e) {
                 ResponseHead head;
                 head.status = 401;
                 std::exchange(e.connection, nullptr)->FinishWith(head, "no").IgnoreError();
               }});
    app_.Route("/headers", {.finish = [](TestApp::Exchange& e) {
                 std::string all;
                 for (auto field : e.connection->head().headers()) {
                   all += std::string(field.name) + "=" + std::string(field.value) + ";";
                 }
                 e.Answer(all + e.body).IgnoreError();
               }});
  }

  // An error must arrive whole although the client is still sending.
  void ExpectRefusal(RawClient& client, int status) {
    const auto response = client.ReadResponse();
    EXPECT_EQ(response.status, status) << response.head;
    EXPECT_EQ(response.Field("Connection"), "close");
    EXPECT_TRUE(response.HasField("Content-Length"));
    EXPECT_FALSE(response.truncated);
    EXPECT_TRUE(client.AtEnd());
    EXPECT_FALSE(client.was_reset());
  }

  TestApp app_;
};

using HTTPServerRawTest = RequestTest;

TEST_F(HTTPServerRawTest, empty_request) {
  HttpServerThread server(app_);
  { RawClient client(server.port()); }
  RawClient client(server.port());
  client.ShutdownWrite();
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HTTPServerRawTest, malformed_first_line_response) {
  HttpServerThread server(app_);
  for (const char* bad :
       {"asdf\r\n\r\n", "GET /hello HTTP/1.1 \r\nHost: a\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: foo bar\r\n\r\n"}) {
    RawClient client(server.port());
    client.Send(bad);
    ExpectRefusal(client, 400);
  }
}

TEST_F(HTTPServerRawTest, refusal_of_a_head_request_has_no_body) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).status, 400);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HTTPServerRawTest, answers_before_a_bad_request_are_kept) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(std::string(kGet) + "rubbish\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "Hello world");
  ExpectRefusal(client, 400);
}

TEST_F(HTTPServerRawTest, chunked_request_body_invalid_size) {
  HttpServerThread server(app_);
  for (const char* bad : {"1_a\r\n", "+4\r\nabcd\r\n", "4\r\nabcdXX"}) {
    RawClient client(server.port());
    client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                std::string(bad));
    ExpectRefusal(client, 400);
  }
  EXPECT_EQ(app_.closed, 3);
  EXPECT_EQ(app_.finished, 0);
}

TEST_F(HTTPServerRawTest, unknown_expectation) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: tea\r\n\r\nabc");
  ExpectRefusal(client, 417);
}

TEST_F(HTTPServerRawTest, test_100_continue) {
  HttpServerThread server(app_);
  for (const char* expectation : {"100-continue", "100-Continue"}) {
    RawClient client(server.port());
    client.Send(absl::StrCat("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\nExpect: ",
                             expectation, "\r\nConnection: close\r\n\r\n"));
    EXPECT_EQ(client.ReadResponse().status, 100);
    client.Send(std::string(1024, 'a'));
    EXPECT_EQ(client.ReadResponse().body, "Got 1024 bytes in POST");
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(HTTPServerRawTest, no_100_when_the_body_is_not_wanted) {
  HttpServerThread server(app_, {.max_body_size = 4096});
  RawClient large(server.port());
  large.Send(
      "PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10240\r\nExpect: 100-continue\r\n\r\n");
  ExpectRefusal(large, 413);
  RawClient early(server.port());
  early.Send(
      "PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
  ExpectRefusal(early, 401);
}

TEST_F(HTTPServerRawTest, early_answer_closes_and_can_be_read_by_a_client_that_sends_on) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
  client.Send(std::string(300000, 'a'));
  ExpectRefusal(client, 401);
  RawClient chunked(server.port());
  chunked.Send("GET /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nasdf\r\n");
  ExpectRefusal(chunked, 401);
  EXPECT_EQ(app_.finished, 0);
  EXPECT_EQ(app_.closed, 0);
  // Without a body nothing is unread, so the connection stays.
  RawClient bodiless(server.port());
  bodiless.Send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(bodiless.ReadResponse().status, 401);
  EXPECT_TRUE(bodiless.Quiet());
}

using MaxHeaderSizeTest = RequestTest;

TEST_F(MaxHeaderSizeTest, small_and_large_headers) {
  HttpServerThread server(app_, {.max_header_size = 1024});
  RawClient small(server.port());
  small.Send("GET /hello HTTP/1.1\r\nHost: a\r\nX-Filler: " + std::string(100, 'a') + "\r\n\r\n");
  EXPECT_EQ(small.ReadResponse().status, 200);
  RawClient large(server.port());
  large.Send("GET /hello HTTP/1.1\r\nHost: a\r\nX-Filler: " + std::string(1000, 'a') + "\r\n\r\n");
  ExpectRefusal(large, 431);
  HttpServerThread usual(app_);
  RawClient many(usual.port());
  many.Send("GET /" + std::string(100000, 'a'));
  ExpectRefusal(many, 414);
}

using BodyLimitsTest = RequestTest;

TEST_F(BodyLimitsTest, buffered_and_streaming_limits) {
  HttpServerThread server(app_, {.max_body_size = 4096});
  RawClient client(server.port());
  client.Send("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n" +
              std::string(4096, 'a'));
  EXPECT_EQ(client.ReadResponse().body, "Got 4096 bytes in PUT");
  client.Send("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10240\r\n\r\n");
  ExpectRefusal(client, 413);
  RawClient chunked(server.port());
  chunked.Send("PUT /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2800\r\n");
  ExpectRefusal(chunked, 413);
  // Raised for one request, and back to the option for the next.
  RawClient raised(server.port());
  raised.Send("PUT /streaming HTTP/1.1\r\nHost: a\r\nContent-Length: 10240\r\n\r\n" +
              std::string(10240, 'a'));
  EXPECT_EQ(raised.ReadResponse().body, "10240");
  raised.Send("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10240\r\n\r\n");
  ExpectRefusal(raised, 413);
}

TEST_F(BodyLimitsTest, timeout) {
  HttpServerThread server(app_, {.body_timeout = absl::Seconds(3600)});
  RawClient client(server.port());
  client.Send("PUT /impatient HTTP/1.0\r\nContent-Length: 42\r\n\r\n");
  ExpectRefusal(client, 408);
  EXPECT_EQ(app_.closed, 1);
  // Octets that keep coming do not move the deadline.
  RawClient dribbling(server.port());
  dribbling.Send("PUT /impatient HTTP/1.1\r\nHost: a\r\nContent-Length: 420000\r\n\r\n");
  std::thread sender([&dribbling] {
    while (dribbling.Send("x")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  EXPECT_EQ(dribbling.ReadResponse().status, 408);
  dribbling.ShutdownWrite();
  sender.join();
}

using HttpServerDeathTest = RequestTest;

TEST_F(HttpServerDeathTest, OptionsThatMakeNoSenseAreRefused) {
  EXPECT_DEATH(HttpServer(app_, {.chunk_size = 0}), "http.chunk_size must be at least 1, not 0");
  EXPECT_DEATH(HttpServer(app_, {.header_timeout = absl::ZeroDuration()}),
               "http.header_timeout must be positive .inf: no timeout., not 0");
  EXPECT_DEATH(HttpServer(app_, {.trusted_downstream = {"proxy"}}),
               "http.trusted_downstream: .proxy");
  EXPECT_DEATH(
      HttpServer(app_, {.proxy_protocol = ProxyProtocolOptions{.trusted = {"10.0.0.0/33"}}}),
      "HttpServerOptions: http.proxy_protocol");
}

TEST_F(RequestTest, slow_head_is_answered_408_and_dribbling_does_not_help) {
  HttpServerThread server(app_, {.header_timeout = absl::Milliseconds(200)});
  RawClient client(server.port());
  client.Send("GET /hello HTTP/1.1\r\n");
  ExpectRefusal(client, 408);
  RawClient dribbling(server.port());
  dribbling.Send("GET /hello HTTP/1.1\r\nX: ");
  std::thread sender([&dribbling] {
    while (dribbling.Send("x")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  EXPECT_EQ(dribbling.ReadResponse().status, 408);
  dribbling.ShutdownWrite();
  sender.join();
}

using IdleTimeoutTest = RequestTest;

TEST_F(IdleTimeoutTest, unused_connection) {
  HttpServerThread server(app_, {.idle_connection_timeout = absl::Milliseconds(100)});
  RawClient client(server.port());
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(IdleTimeoutTest, idle_after_use) {
  HttpServerThread server(app_, {.idle_connection_timeout = absl::Milliseconds(100)});
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send(kGet);
    EXPECT_EQ(client.ReadResponse().body, "Hello world");
  }
  EXPECT_TRUE(client.AtEnd());
  EXPECT_FALSE(client.was_reset());
}

// Deadlines that passed while a handler held the loop must not cost others their requests.
TEST_F(RequestTest, blocked_loop_does_not_time_out_what_has_arrived) {
  std::atomic<bool> blocking{false};
  app_.Route("/block", {.finish = [&](TestApp::Exchange& e) {
               blocking = true;
               std::this_thread::sleep_for(std::chrono::milliseconds(600));
               e.Answer("done").IgnoreError();
             }});
  HttpServerThread server(app_, {.header_timeout = absl::Milliseconds(200),
                                 .idle_connection_timeout = absl::Milliseconds(300)});
  RawClient patient(server.port());
  patient.Send(kGet);
  EXPECT_EQ(patient.ReadResponse().status, 200);
  RawClient partial(server.port());
  partial.Send("GET /hello HT");
  RawClient blocker(server.port());
  blocker.Send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
  while (!blocking) std::this_thread::yield();
  patient.Send(kGet);
  partial.Send("TP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(patient.ReadResponse().status, 200);
  EXPECT_EQ(partial.ReadResponse().status, 200);
  EXPECT_EQ(blocker.ReadResponse().body, "done");
}

using StreamingChunkSizeTest = RequestTest;

TEST_F(StreamingChunkSizeTest, regular_and_chunked_body) {
  HttpServerThread server(app_, {.chunk_size = 16});
  const std::string body = "01234567890123456789012345678901234567890123456789";
  RawClient client(server.port());
  client.Send("POST /sizes HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n" + body);
  EXPECT_EQ(client.ReadResponse().body, "16,16,16,2");
  client.Send("POST /sizes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" +
              body.substr(0, 20) + "\r\n1e\r\n" + body.substr(20) + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, "16,4,16,14");
}

constexpr char kFooBarGzip[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x4b\xcb\xcf\xb7\x4d\x4a\x2c\x02\x00\x76\x8e\x35\x1c"
    "\x07"
    "\x00\x00\x00";  // "foo=bar"

std::string FooBarGzip() { return std::string(kFooBarGzip, sizeof kFooBarGzip - 1); }

using GzipTest = RequestTest;

TEST_F(GzipTest, gzip) {
  HttpServerThread server(app_, {.decompress_request = true, .max_body_size = 100});
  RawClient client(server.port());
  for (const char* coding : {"gzip", "GZIP"}) {
    client.Send(absl::StrCat("POST /headers HTTP/1.1\r\nHost: a\r\nContent-Encoding: ", coding,
                             "\r\nContent-Length: 27\r\n\r\n", FooBarGzip()));
    EXPECT_EQ(
        client.ReadResponse().body,
        absl::StrCat("Host=a;X-Consumed-Content-Encoding=", coding, ";Content-Length=27;foo=bar"));
  }
  // Octet by octet, and two members in one body.
  client.Send(
      "POST /headers HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 54\r\n\r\n");
  client.SendSlowly(FooBarGzip() + FooBarGzip());
  const std::string body = client.ReadResponse().body;
  EXPECT_EQ(body.substr(body.size() - 14), "foo=barfoo=bar");
  EXPECT_TRUE(client.Quiet());
}

TEST_F(GzipTest, not_asked_for_stays_compressed) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(
      "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 27\r\n\r\n" +
      FooBarGzip());
  EXPECT_EQ(client.ReadResponse().body, "Got 27 bytes in POST");
}

TEST_F(GzipTest, bomb_corrupt_and_truncated) {
  HttpServerThread server(app_, {.decompress_request = true, .chunk_size = 4, .max_body_size = 6});
  const auto send = [&](const std::string& body) {
    RawClient client(server.port());
    client.Send(
        absl::StrCat("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n"));
    // In small chunks, because the wire size counts against the limit as well.
    for (char octet : body) client.Send(absl::StrCat("1\r\n", std::string(1, octet), "\r\n"));
    client.Send("0\r\n\r\n");
    return client.ReadResponse().status;
  };
  EXPECT_EQ(send("not gz"), 400);
  EXPECT_EQ(send(FooBarGzip().substr(0, 5)), 400);
}

TEST_F(GzipTest, decompressed_size_counts) {
  app_.Route("/wire_ok", {.finish = AnswerSizes});
  HttpServerThread server(app_, {.decompress_request = true, .max_body_size = 40});
  // 1,000 octets of 'x' in 24.
  const std::string bomb(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xa8\xa0\x03\x00\x00\x6f\x86\x85\xf1\x65\x00\x00"
      "\x00",
      24);
  RawClient client(server.port());
  client.Send(absl::StrCat(
      "POST /wire_ok HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: ",
      bomb.size(), "\r\n\r\n", bomb));
  ExpectRefusal(client, 413);
}

}  // namespace
}  // namespace squall
