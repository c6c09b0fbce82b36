// Handlers behind a real HttpServer and real sockets: what the fake exchange cannot show.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/with_stop.h"
#include "squall/web/application.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

Settings Quiet() {
  Settings settings;
  settings.log_function = nullptr;
  return settings;
}

std::string Get(std::string_view target) {
  return absl::StrCat("GET ", std::string(target), " HTTP/1.1\r\nHost: a\r\n\r\n");
}

struct Later : RequestHandler {
  Task<> Get(int milliseconds) {
    co_await Sleep(absl::Milliseconds(milliseconds));
    Write(absl::StrCat(milliseconds));
  }
};

TEST(ServingTest, PipelinedCoroutinesAnswerInOrder) {
  Application app({{"/later/([0-9]+)", Handler<Later>()}}, Quiet());
  HttpServerThread server(app);
  RawClient client(server.port());
  ASSERT_TRUE(client.Send(Get("/later/30") + Get("/later/1") + Get("/later/x")));
  EXPECT_EQ(client.ReadResponse().body, "30");
  EXPECT_EQ(client.ReadResponse().body, "1");
  EXPECT_EQ(client.ReadResponse().status, 404);
}

struct OwnHead : RequestHandler {
  void Get() { Write("hello"); }
  void Head() {
    if (const std::string etag = GetArgument("etag", ""); !etag.empty()) SetHeader("Etag", etag);
  }
};

// RFC 9110 8.6 and 13.2.1: what a GET would say, or nothing.
TEST(ServingTest, HeadWithoutABodySaysNothingOfItsContent) {
  Application app({{"/", Handler<OwnHead>()}}, Quiet());
  HttpServerThread server(app);
  RawClient client(server.port());
  const auto head = [&client](std::string_view target, std::string_view fields) {
    client.Send(absl::StrCat("HEAD ", std::string(target), " HTTP/1.1\r\nHost: a\r\n",
                             std::string(fields), "\r\n"));
    return client.ReadResponse(/*to_head=*/true);
  };
  const char* const hello = "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\"";
  for (const std::string& fields :
       {std::string(), absl::StrCat("If-Match: ", hello, "\r\n"), std::string("If-Match: *\r\n")}) {
    const auto response = head("/", fields);
    EXPECT_EQ(response.status, 200) << fields;
    EXPECT_FALSE(response.HasField("Etag"));
    EXPECT_FALSE(response.HasField("Content-Length"));
    EXPECT_FALSE(response.HasField("Transfer-Encoding"));
    EXPECT_FALSE(response.HasField("Connection"));
  }
  EXPECT_EQ(head("/?etag=%22x%22", "If-Match: \"x\"\r\n").status, 200);
  EXPECT_EQ(head("/?etag=%22x%22", "If-Match: \"y\"\r\n").status, 412);
  EXPECT_EQ(head("/?etag=%22x%22", "If-None-Match: \"x\"\r\n").status, 304);
}

struct Waiting : RequestHandler {
  Waiting(std::promise<void>* started, std::promise<std::string>* ended)
      : started(started), ended(ended) {}
  Task<> Get() {
    started->set_value();
    while (!closed()) co_await Sleep(absl::Milliseconds(1));
    // The connection is gone, the request is not.
    ended->set_value(absl::StrCat(seen_close, " ", std::string(request().uri())));
  }
  void OnConnectionClose() override { ++seen_close; }
  std::promise<void>* started;
  std::promise<std::string>* ended;
  int seen_close = 0;
};

// ConnectionCloseTest of Tornado.
TEST(ServingTest, CoroutineLearnsThatTheClientLeft) {
  std::promise<void> started;
  std::promise<std::string> ended;
  Application app({{"/wait", Handler<Waiting>(&started, &ended)}}, Quiet());
  HttpServerThread server(app);
  RawClient client(server.port());
  ASSERT_TRUE(client.Send(Get("/wait?x=1")));
  started.get_future().wait();
  client.Reset();
  auto result = ended.get_future();
  ASSERT_EQ(result.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(result.get(), "1 /wait?x=1");
}

Task<> AnHour() { co_await Sleep(absl::Hours(1)); }

struct Stopped : RequestHandler {
  Stopped(std::promise<void>* started, std::promise<absl::Status>* ended)
      : started(started), ended(ended) {}
  Task<> Get() {
    started->set_value();
    const absl::Status status = co_await WithStop(stop_token(), AnHour());
    ended->set_value(status);
  }
  std::promise<void>* started;
  std::promise<absl::Status>* ended;
};

TEST(ServingTest, AWaitEndsWithTheClient) {
  for (const bool reset : {true, false}) {
    std::promise<void> started;
    std::promise<absl::Status> ended;
    Application app({{"/", Handler<Stopped>(&started, &ended)}}, Quiet());
    HttpServerThread server(app, {.answer_half_closed = false});
    RawClient client(server.port());
    ASSERT_TRUE(client.Send(Get("/")));
    started.get_future().wait();
    auto result = ended.get_future();
    if (reset) {
      client.Reset();
    } else {
      client.ShutdownWrite();
    }
    ASSERT_EQ(result.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_TRUE(absl::IsCancelled(result.get()));
  }
}

struct Endless : RequestHandler {
  explicit Endless(std::promise<std::string>* ended) : ended(ended) {}
  Task<> Get() {
    const std::string piece(16 << 10, 'x');
    absl::Status status;
    while (status.ok()) {
      Write(piece);
      status = co_await Flush();
    }
    // The connection's end may come a turn behind the failure of the write.
    while (!closed()) co_await Sleep(absl::Milliseconds(1));
    ended->set_value(absl::StrCat(absl::StatusCodeToString(status.code()), " ", seen_close, " ",
                                  stop_token().stop_requested()));
  }
  void OnConnectionClose() override { ++seen_close; }
  std::promise<std::string>* ended;
  int seen_close = 0;
};

// Mostly between two writes, and not while the loop looks at its descriptors.
TEST(ServingTest, AStreamLearnsThatTheClientLeft) {
  for (int i = 0; i < 20; ++i) {
    std::promise<std::string> ended;
    Application app({{"/", Handler<Endless>(&ended)}}, Quiet());
    HttpServerThread server(app);
    RawClient client(server.port());
    ASSERT_TRUE(client.Send(Get("/")));
    client.ReadUntil("xxxx");
    client.Reset();
    auto result = ended.get_future();
    ASSERT_EQ(result.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_EQ(result.get(), "UNAVAILABLE 1 1");
  }
}

struct KeepsToken : RequestHandler {
  KeepsToken(std::stop_token* token, std::promise<void>* waits, std::promise<bool>* late)
      : token(token), waits(waits), late(late) {}
  Task<> Get() {
    if (request().path() == "/answered") {
      *token = stop_token();
      co_return;
    }
    waits->set_value();
    while (!closed()) co_await Sleep(absl::Milliseconds(1));
    late->set_value(stop_token().stop_requested());
  }
  std::stop_token* token;
  std::promise<void>* waits;
  std::promise<bool>* late;
};

// An answered request is never stopped, and who asks behind the client's end is told at once.
TEST(ServingTest, StopOfAnsweredAndOfLeftRequests) {
  std::stop_token token;
  std::promise<void> waits;
  std::promise<bool> late;
  Application app({{"/.*", Handler<KeepsToken>(&token, &waits, &late)}}, Quiet());
  HttpServerThread server(app);
  RawClient client(server.port());
  ASSERT_TRUE(client.Send(Get("/answered")));
  EXPECT_EQ(client.ReadResponse().status, 200);
  ASSERT_TRUE(client.Send(Get("/waits")));
  waits.get_future().wait();
  client.Reset();
  auto result = late.get_future();
  ASSERT_EQ(result.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_TRUE(result.get());
  EXPECT_FALSE(token.stop_requested());
}

struct Streams : RequestHandler {
  Task<> Get() {
    for (int i = 0; i < 64; ++i) {
      Write(std::string(64 << 10, static_cast<char>('a' + i % 26)));
      if (!(co_await Flush()).ok()) co_return;
    }
  }
};

TEST(ServingTest, StreamWaitsForASlowReader) {
  Application app({{"/", Handler<Streams>()}}, Quiet());
  HttpServerThread server(app, {.write_high_mark = 128 << 10, .write_low_mark = 64 << 10});
  RawClient client(server.port(), {.receive_buffer = 4096});
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_NE(client.ReadUntil("\r\n\r\n"), "");
  // Another client is served while the first one's answer waits.
  RawClient other(server.port());
  ASSERT_TRUE(other.Send(Get("/none")));
  EXPECT_EQ(other.ReadResponse().status, 404);
  EXPECT_NE(client.ReadUntil("\r\n0\r\n\r\n").find("llll"), std::string::npos);
}

TEST(ServingTest, BigFileAndItsHead) {
  const std::filesystem::path root = std::filesystem::path(getenv("TEST_TMPDIR")) / "serving";
  std::filesystem::create_directories(root);
  const std::string content(5 << 20, 'x');
  std::ofstream(root / "big.txt") << content;
  Settings settings = Quiet();
  settings.static_path = root;
  settings.compress_response = true;
  Application app({}, settings);
  HttpServerThread server(app);
  RawClient client(server.port());
  ASSERT_TRUE(client.Send("HEAD /static/big.txt HTTP/1.1\r\nHost: a\r\n\r\n"));
  RawClient::Response head = client.ReadResponse(/*to_head=*/true);
  EXPECT_EQ(head.Field("Content-Length"), absl::StrCat(content.size()));
  ASSERT_TRUE(client.Send(Get("/static/big.txt")));
  EXPECT_EQ(client.ReadResponse().body, content);
  ASSERT_TRUE(
      client.Send("GET /static/big.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"));
  const RawClient::Response packed = client.ReadResponse();
  EXPECT_EQ(packed.Field("Content-Encoding"), "gzip");
  EXPECT_FALSE(packed.HasField("Content-Length"));
  EXPECT_LT(packed.body.size(), content.size() / 50);
  // From the page cache, whole and in part, with the next answer behind it.
  settings.compress_response = false;
  Application plain({}, settings);
  HttpServerThread other(plain);
  RawClient reader(other.port());
  ASSERT_TRUE(reader.Send(Get("/static/big.txt") +
                          "GET /static/big.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=5-9\r\n\r\n"));
  EXPECT_EQ(reader.ReadResponse().body, content);
  const RawClient::Response part = reader.ReadResponse();
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "xxxxx");
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace squall
