// Requests that get no handler's answer, with real sockets: what is answered before the body is read,
// and what the access log says of them.
#include <chrono>
#include <cstddef>
#include <future>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/string_view.h"
#include "squall/httpserver/http_server_options.h"
#include "squall/httpserver/http_server_thread.h"
#include "squall/httpserver/raw_client.h"
#include "squall/ioloop/sleep.h"
#include "squall/web/access_log.h"
#include "squall/web/application.h"
#include "squall/web/await_lines.h"
#include "squall/web/handler.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::ElementsAre;

struct Takes : RequestHandler {
  void Get() { Write("got"); }
  void Post() { Write(absl::StrCat(request().body().size())); }
};

struct Item : RequestHandler {
  void Get(std::string_view name) { Write(name); }
};

struct Ignores : RequestHandler {
  static constexpr bool kIgnoresBody = true;
  Task<> Post() {
    co_await Sleep(absl::Milliseconds(1));
    Write(absl::StrCat("ignored ", request().body().size()));
  }
};

struct Throws : RequestHandler {
  Throws() { throw std::runtime_error("no"); }
  void Get() {}
};

struct Waits : RequestHandler {
  explicit Waits(std::promise<void>* begun) : begun(begun) {}
  Task<> Get() {
    begun->set_value();
    while (!closed()) co_await Sleep(absl::Milliseconds(1));
  }
  Task<> Post() {
    Write("first");
    Flush();
    while (!closed()) co_await Sleep(absl::Milliseconds(1));
  }

  std::promise<void>* begun;
};

class RefusalTest : public testing::Test {
 protected:
  RefusalTest()
      : app_({{"/takes", Handler<Takes>()},
              {"/item/(.*)", Handler<Item>()},
              {"/ignores", Handler<Ignores>()},
              {"/throws", Handler<Throws>()},
              {"/waits", Handler<Waits>(&begun_)}},
             {.log_function = lines_.log_function()}) {}

  static std::string Head(std::string_view line, std::string_view fields) {
    return absl::StrCat(ToAbsl(line), " HTTP/1.1\r\nHost: a\r\n", ToAbsl(fields), "\r\n");
  }

  AwaitLines lines_;
  std::promise<void> begun_;
  Application app_;
};

constexpr char kGet[] = "GET /takes HTTP/1.1\r\nHost: a\r\n\r\n";

// RFC 9110 10.1.1: a final status instead of 100 when that is known from the head.
TEST_F(RefusalTest, NobodyIsToldToContinueInVain) {
  HttpServerThread server(app_);
  const struct {
    const char* line;
    int status;
  } kCases[] = {
      {"POST /nowhere", 404}, {"DELETE /takes", 405}, {"BREW /takes", 405}, {"GET /item/%ff", 400}};
  for (const auto& [line, status] : kCases) {
    RawClient client(server.port());
    client.Send(Head(line, "Expect: 100-continue\r\nContent-Length: 1000\r\n"));
    const auto response = client.ReadResponse();
    EXPECT_EQ(response.status, status) << line;
    EXPECT_EQ(response.Field("Connection"), "close") << line;
    EXPECT_TRUE(client.AtEnd()) << line;
  }
  RawClient client(server.port());
  client.Send(Head("POST /takes", "Expect: 100-continue\r\nContent-Length: 3\r\n"));
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_EQ(client.ReadResponse().body, "3");
}

TEST_F(RefusalTest, BehindASmallBodyTheConnectionIsKept) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  for (const char* line : {"POST /nowhere", "DELETE /takes"}) {
    client.Send(absl::StrCat(Head(line, "Content-Length: 5\r\n"), "hello", kGet));
    const auto refused = client.ReadResponse();
    EXPECT_GE(refused.status, 404);
    EXPECT_EQ(refused.Field("Connection"), "");
    EXPECT_EQ(client.ReadResponse().body, "got");
    client.Send(absl::StrCat(Head(line, "Transfer-Encoding: chunked\r\n"),
                             "5\r\nhello\r\n0\r\n\r\n", kGet));
    EXPECT_GE(client.ReadResponse().status, 404);
    EXPECT_EQ(client.ReadResponse().body, "got");
  }
}

TEST_F(RefusalTest, ALargeBodyIsNotWaitedFor) {
  HttpServerThread server(app_, {.max_body_size = 10 << 20});
  for (const char* line : {"POST /nowhere", "DELETE /takes"}) {
    RawClient client(server.port());
    client.Send(Head(line, "Content-Length: 1000000\r\n"));
    const auto response = client.ReadResponse();
    EXPECT_GE(response.status, 404);
    EXPECT_EQ(response.Field("Connection"), "close");
    EXPECT_TRUE(client.AtEnd());

    RawClient chunked(server.port());
    chunked.Send(Head(line, "Transfer-Encoding: chunked\r\n"));
    chunked.Send(absl::StrCat("11000\r\n", std::string(0x11000, 'x'), "\r\n"));
    EXPECT_GE(chunked.ReadResponse().status, 404);
    EXPECT_TRUE(chunked.AtEnd());
    EXPECT_FALSE(chunked.was_reset());
  }
}

// The body is no request, whoever made it look like one, and each request is one line of the log.
TEST_F(RefusalTest, WhatFollowsAnEarlyAnswerIsNeverARequest) {
  HttpServerThread server(app_, {.max_body_size = 10 << 20});
  const std::string requests = absl::StrCat(kGet, kGet, "0\r\n\r\n", kGet);
  size_t lines = 0;
  for (const char* path : {"/nowhere", "/ignores"}) {
    for (const char* fields :
         {"Expect: 100-continue\r\nContent-Length: 300\r\n",
          "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 70000\r\n"}) {
      RawClient client(server.port());
      client.Send(absl::StrCat(Head(absl::StrCat("POST ", path), fields), requests));
      const auto response = client.ReadResponse();
      EXPECT_EQ(response.status, path == std::string_view("/nowhere") ? 404 : 200);
      EXPECT_EQ(response.Field("Connection"), "close") << fields;
      EXPECT_TRUE(client.AtEnd()) << fields;
      EXPECT_FALSE(client.was_reset()) << fields;
      ++lines;
    }
  }
  // Behind all that the others could have said.
  RawClient client(server.port());
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, "got");
  EXPECT_THAT(lines_.Await(lines + 1),
              ElementsAre("404 POST /nowhere 127.0.0.1", "404 POST /nowhere 127.0.0.1",
                          "404 POST /nowhere 127.0.0.1", "200 POST /ignores 127.0.0.1",
                          "200 POST /ignores 127.0.0.1", "200 POST /ignores 127.0.0.1",
                          "200 GET /takes 127.0.0.1"));
}

struct ChecksForItself : Takes {
  bool CheckXsrfCookie() override { return request().body() == "abc"; }
};
struct Raw : Takes {
  static constexpr bool kRawBody = true;
};

// A body that cannot bring the token is not waited for.
TEST_F(RefusalTest, AForgedRequestIsRefusedBeforeItsBody) {
  Application app({{"/takes", Handler<Takes>()},
                   {"/own", Handler<ChecksForItself>()},
                   {"/raw", Handler<Raw>()}},
                  {.xsrf_cookies = true, .log_function = lines_.log_function()});
  HttpServerThread server(app);
  constexpr char kCookie[] = "Cookie: _xsrf=616263\r\n";
  constexpr char kForm[] = "Content-Type: application/x-www-form-urlencoded\r\n";
  constexpr char kJson[] = "Content-Type: application/json\r\n";
  constexpr char kToken[] = "X-XSRFToken: 616263\r\n";
  const struct {
    const char* path;
    std::string fields;
    bool early;
  } kCases[] = {{"/takes", "", true},
                {"/takes", kForm, true},
                {"/takes", kToken, true},
                {"/takes", absl::StrCat(kCookie, kJson), true},
                {"/takes", absl::StrCat(kCookie, "Content-Type: multipart/mixed\r\n"), true},
                {"/raw", absl::StrCat(kCookie, kForm), true},
                {"/takes", absl::StrCat(kCookie, kForm), false},
                {"/takes", absl::StrCat(kCookie, kForm, kToken), false},
                {"/takes", absl::StrCat(kCookie, kJson, kToken), false},
                {"/takes?_xsrf=616263", absl::StrCat(kCookie, kJson), false},
                {"/own", "", false}};
  for (const auto& [path, fields, early] : kCases) {
    RawClient client(server.port());
    client.Send(Head(absl::StrCat("POST ", path),
                     absl::StrCat(fields, "Expect: 100-continue\r\nContent-Length: 100000\r\n")));
    EXPECT_EQ(client.ReadUntil("\r\n").substr(9, 3), early ? "403" : "100") << path << fields;
  }
  RawClient client(server.port());
  const std::string form = "a=b&_xsrf=616263";
  client.Send(absl::StrCat(
      Head("POST /takes", absl::StrCat(kCookie, kForm, "Content-Length: 16\r\n")), form));
  EXPECT_EQ(client.ReadResponse().body, "16");
  // The connection is kept behind a small one.
  client.Send(absl::StrCat(Head("POST /takes", "Content-Length: 3\r\n"), "abc"));
  EXPECT_EQ(client.ReadResponse().status, 403);
  client.Send(absl::StrCat(Head("POST /own", "Content-Length: 3\r\n"), "abc"));
  EXPECT_EQ(client.ReadResponse().body, "3");
}

TEST_F(RefusalTest, AHandlerMayIgnoreTheBody) {
  HttpServerThread server(app_, {.max_body_size = 10 << 20});
  constexpr char kForm[] = "Content-Type: multipart/form-data; boundary=b\r\n";
  RawClient client(server.port());
  client.Send(absl::StrCat(Head("POST /ignores", absl::StrCat(kForm, "Content-Length: 4\r\n")),
                           "junk", kGet));
  EXPECT_EQ(client.ReadResponse().body, "ignored 0");
  EXPECT_EQ(client.ReadResponse().body, "got");
  client.Send(Head("POST /ignores", absl::StrCat(kForm, "Content-Length: 70000\r\n")));
  EXPECT_EQ(client.ReadResponse().body, "ignored 0");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(RefusalTest, WhatTheServerRefusesIsInTheAccessLog) {
  HttpServerThread server(app_, {.max_header_size = 1000, .max_body_size = 10});
  HttpServerThread impatient(app_, {.header_timeout = absl::Milliseconds(500),
                                    .body_timeout = absl::Milliseconds(200),
                                    .body_min_rate = 0});
  const auto send = [](const HttpServerThread& to, const std::string& octets) {
    RawClient client(to.port());
    client.Send(octets);
    return client.ReadResponse().status;
  };
  EXPECT_EQ(send(server, "what is this\r\n\r\n"), 400);
  EXPECT_EQ(send(server, "GET /takes HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(send(server, Head("GET /takes", absl::StrCat("X: ", std::string(1000, 'x'), "\r\n"))),
            431);
  EXPECT_EQ(send(server, Head("POST /takes", "Content-Length: 11\r\n")), 413);
  EXPECT_EQ(send(server, Head("POST /takes", "Transfer-Encoding: chunked\r\n") + "x\r\n"), 400);
  EXPECT_EQ(send(impatient, "GET /takes HTTP/1.1\r\nHo"), 408);
  EXPECT_EQ(send(impatient, Head("POST /takes", "Content-Length: 5\r\n") + "abc"), 408);
  EXPECT_EQ(send(server, Head("GET /throws", "")), 500);
  EXPECT_THAT(lines_.Await(8),
              ElementsAre("400 - - 127.0.0.1", "400 GET /takes 127.0.0.1",
                          "431 GET /takes 127.0.0.1", "413 POST /takes 127.0.0.1",
                          "400 POST /takes 127.0.0.1", "408 GET /takes 127.0.0.1",
                          "408 POST /takes 127.0.0.1", "500 GET /throws 127.0.0.1"));
}

// The request line, the size of what is sent, and what was read of the fields.
TEST_F(RefusalTest, WhatTheServerAnswersIsInTheCombinedForm) {
  AwaitLines lines([](const AccessLogEntry& entry) {
    return FormatAccessLogLine(entry, AccessLogFormat::kCombined, absl::UnixEpoch());
  });
  Application app({{"/takes", Handler<Takes>()}}, {.log_function = lines.log_function()});
  HttpServerThread server(app, {.max_header_size = 1000, .max_body_size = 10});
  constexpr char kAgent[] = "User-Agent: test/1\r\nReferer: http://b/\r\n";
  const std::string requests[] = {
      "\x16\x03\x01\r\n\r\n",
      Head("GET /takes", absl::StrCat(kAgent, "X: ", std::string(1000, 'x'), "\r\n")),
      absl::StrCat("HEAD /takes HTTP/2.7\r\n", kAgent, "\r\n"),
      Head("POST /takes", absl::StrCat(kAgent, "Content-Length: 11\r\n")),
      Head("OPTIONS *", kAgent),
      Head("HEAD /takes", kAgent),
  };
  const std::string expected[] = {
      "\"-\" 400 17 \"-\" \"-\"",
      "\"GET /takes HTTP/1.1\" 431 37 \"http://b/\" \"test/1\"",
      "\"HEAD /takes HTTP/2.7\" 505 0 \"-\" \"-\"",  // nothing is read behind that line
      "\"POST /takes HTTP/1.1\" 413 23 \"http://b/\" \"test/1\"",
      "\"OPTIONS * HTTP/1.1\" 200 0 \"http://b/\" \"test/1\"",
      "\"HEAD /takes HTTP/1.1\" 200 0 \"http://b/\" \"test/1\"",
  };
  for (size_t i = 0; i < std::size(requests); ++i) {
    RawClient client(server.port());
    client.Send(requests[i]);
    client.ReadUntil("\r\n\r\n");
    const std::vector<std::string> all = lines.Await(i + 1);
    ASSERT_EQ(all.size(), i + 1) << requests[i];
    EXPECT_EQ(all.back(), "127.0.0.1 - - [01/Jan/1970:00:00:00 +0000] " + expected[i]);
  }
}

TEST_F(RefusalTest, WhatTheServerClosesIsNotSaidToBeTheClientsDoing) {
  HttpServerThread server(app_);
  RawClient client(server.port());
  client.Send(Head("GET /waits", ""));
  ASSERT_EQ(begun_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  server.Run([&] { server.server().CloseAllConnections(); });
  EXPECT_THAT(lines_.Await(1), ElementsAre("444 GET /waits 127.0.0.1"));
}

TEST_F(RefusalTest, ClientsThatLeaveAreInTheAccessLog) {
  HttpServerThread server(app_);
  {
    // In the middle of its body.
    RawClient client(server.port());
    client.Send(Head("POST /takes", "Content-Length: 5\r\n") + "abc");
  }
  lines_.Await(1);
  {
    RawClient client(server.port());
    client.Send(Head("GET /waits", ""));
    // A reset takes with it what the server has not read.
    ASSERT_EQ(begun_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    client.Reset();
  }
  lines_.Await(2);
  {
    // The status that it has read.
    RawClient client(server.port());
    client.Send(Head("POST /waits", ""));
    client.ReadUntil("first");
    client.Reset();
  }
  EXPECT_THAT(lines_.Await(3), ElementsAre("499 POST /takes 127.0.0.1", "499 GET /waits 127.0.0.1",
                                           "200 POST /waits 127.0.0.1"));
}

}  // namespace
}  // namespace squall
