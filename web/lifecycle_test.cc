// The life of a handler, one test per rule of request_handler.h. Names after Tornado's web_test
// where they are ports.
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/log_capture.h"
#include "squall/ioloop/sleep.h"
#include "squall/web/application.h"
#include "squall/web/fake_exchange.h"
#include "squall/web/handler.h"
#include "squall/web/http_error.h"
#include "squall/web/request_handler.h"
#include "squall/web/settings.h"

namespace squall {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string>& Steps() {
  static auto& steps = *new std::vector<std::string>();
  return steps;
}

struct Recorder : RequestHandler {
  Recorder() { Steps().push_back("constructor"); }
  ~Recorder() override { Steps().push_back("destructor"); }
  void SetDefaultHeaders() override { SetHeader("X-Default", "yes"); }
  void OnFinish() override { Steps().push_back("OnFinish"); }
  void OnConnectionClose() override { Steps().push_back("OnConnectionClose"); }
};

class LifecycleTest : public testing::Test {
 protected:
  void SetUp() override { Steps().clear(); }
};

TEST_F(LifecycleTest, StepsComeInTornadosOrder) {
  struct Order : Recorder {
    void Initialize(std::string name) { Steps().push_back("Initialize " + name); }
    void Prepare() { Steps().push_back("Prepare"); }
    void Get() {
      Steps().push_back("Get");
      Write("body");
    }
  };
  Application app{{"/", Handler<Order>("x")}};
  {
    const FakeExchange exchange(app, GetRequest("/"));
    EXPECT_EQ(exchange.status(), 200);
    EXPECT_EQ(exchange.body(), "body");
    EXPECT_EQ(exchange.writes(), 1);
    EXPECT_EQ(exchange.header("X-Default"), "yes");
    EXPECT_EQ(exchange.header("Content-Type"), "text/html; charset=UTF-8");
    EXPECT_THAT(exchange.header("Server"), testing::StartsWith("squall/"));
  }
  EXPECT_THAT(Steps(), ElementsAre("constructor", "Initialize x", "Prepare", "Get", "OnFinish",
                                   "destructor"));
}

// The memory of a handler is that of one before, in which another request has left its values.
TEST_F(LifecycleTest, MembersBeginAtZero) {
  struct Careless : RequestHandler {
    void Get() {
      Write(granted || place != 0 ? "granted" : "refused");
      granted = true;
      place = 7;
    }
    bool granted;
    short place;
  };
  Application app{{"/", Handler<Careless>()}};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(FakeExchange(app, GetRequest("/")).body(), "refused") << i;
}

TEST_F(LifecycleTest, FinishInPrepareSkipsTheVerb) {
  struct Early : Recorder {
    void Prepare() { Finish("done"); }
    void Get() { throw std::runtime_error("must not run"); }
  };
  Application app{{"/", Handler<Early>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.body(), "done");
}

TEST_F(LifecycleTest, SynchronousStatusBecomesItsHttpStatus) {
  struct Fails : RequestHandler {
    absl::Status Get() {
      Write("half an answer");
      SetHeader("X-Half", "1");
      return absl::NotFoundError("no such thing");
    }
  };
  LogCapture log;
  Application app{{"/", Handler<Fails>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.status(), 404);
  EXPECT_EQ(exchange.body(),
            "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
  EXPECT_FALSE(exchange.has_header("X-Half"));
  EXPECT_THAT(log.messages(), Contains(HasSubstr("no such thing")));
}

TEST_F(LifecycleTest, CoroutineVerb) {
  struct Waits : Recorder {
    Task<> Get(std::string name) {
      co_await Sleep(absl::Milliseconds(1));
      Write("hello ");
      co_await Sleep(absl::Milliseconds(1));
      Write(name);
    }
  };
  Application app{{"/(.*)", Handler<Waits>()}};
  {
    FakeExchange exchange(app, GetRequest("/x"));
    EXPECT_FALSE(exchange.finished());
    ASSERT_TRUE(exchange.AwaitAnswer());
    EXPECT_EQ(exchange.body(), "hello x");
  }
  EXPECT_THAT(Steps(), ElementsAre("constructor", "OnFinish", "destructor"));
}

TEST_F(LifecycleTest, CoroutineStatusAndExceptionBecomeErrors) {
  struct Fails : RequestHandler {
    Task<absl::Status> Get() {
      co_await Sleep(absl::Milliseconds(1));
      co_return absl::UnavailableError("later");
    }
    Task<> Post() {
      co_await Sleep(absl::Milliseconds(1));
      throw HttpError(418, "short and stout", "Teapot");
    }
  };
  Application app{{"/", Handler<Fails>()}};
  FakeExchange get(app, GetRequest("/"));
  ASSERT_TRUE(get.AwaitAnswer());
  EXPECT_EQ(get.status(), 503);
  FakeExchange post(app, BodyRequest("POST", "/", "", ""));
  ASSERT_TRUE(post.AwaitAnswer());
  EXPECT_EQ(post.status(), 418);
  EXPECT_EQ(post.reason(), "Teapot");
}

// ConnectionCloseTest.
TEST_F(LifecycleTest, ClientGoneDuringCoroutine) {
  struct Waits : Recorder {
    Task<> Get() {
      co_await Sleep(absl::Milliseconds(5));
      Write(request().path());  // still there
      Steps().push_back(std::string(request().path()) + (closed() ? " closed" : " open"));
      const absl::Status flushed = co_await Flush();
      Steps().push_back(flushed.ok() ? "flushed" : "not flushed");
    }
  };
  Application app{{"/path", Handler<Waits>()}};
  {
    FakeExchange exchange(app, GetRequest("/path"));
    exchange.LoseClient();
  }
  EXPECT_THAT(Steps(), ElementsAre("constructor", "OnConnectionClose"));
  while (Steps().back() != "destructor") FakeExchange::RunLoopOnce();
  EXPECT_THAT(Steps(), ElementsAre("constructor", "OnConnectionClose", "/path closed",
                                   "not flushed", "destructor"));
}

TEST_F(LifecycleTest, ServerGoneDuringCoroutine) {
  struct Waits : Recorder {
    Task<> Get() {
      co_await Sleep(absl::Milliseconds(5));
      Write("into nothing");
      Finish();
    }
  };
  Application app{{"/", Handler<Waits>()}};
  { FakeExchange exchange(app, GetRequest("/")); }
  while (Steps().back() != "destructor") FakeExchange::RunLoopOnce();
  EXPECT_THAT(Steps(), ElementsAre("constructor", "destructor"));
}

TEST_F(LifecycleTest, FinishInTheMiddleOfACoroutineKeepsTheRequest) {
  struct Goes : Recorder {
    Task<> Get() {
      Finish("answer");
      co_await Sleep(absl::Milliseconds(2));
      Steps().push_back(std::string(request().path()));
    }
  };
  Application app{{"/p", Handler<Goes>()}};
  {
    FakeExchange exchange(app, GetRequest("/p"));
    EXPECT_EQ(exchange.body(), "answer");
  }
  while (Steps().back() != "destructor") FakeExchange::RunLoopOnce();
  EXPECT_THAT(Steps(), ElementsAre("constructor", "OnFinish", "/p", "destructor"));
}

TEST_F(LifecycleTest, ExceptionsAnswer500AndAreLogged) {
  struct Throws : RequestHandler {
    void Get() { throw std::runtime_error("broken\nthing"); }
    void Post() { throw 7; }
  };
  LogCapture log;
  Application app{{"/", Handler<Throws>()}};
  const FakeExchange get(app, GetRequest("/"));
  EXPECT_EQ(get.status(), 500);
  EXPECT_THAT(get.body(), HasSubstr("500: Internal Server Error"));
  EXPECT_THAT(get.body(), testing::Not(HasSubstr("broken")));
  const FakeExchange post(app, BodyRequest("POST", "/", "", ""));
  EXPECT_EQ(post.status(), 500);
  EXPECT_THAT(log.messages(), Contains(testing::StartsWith("E uncaught exception: broken")));
}

// FinishExceptionTest.
TEST_F(LifecycleTest, FinishRequestKeepsWhatWasWritten) {
  struct Leaves : RequestHandler {
    void Get() {
      SetStatus(401);
      SetHeader("WWW-Authenticate", "Basic realm=\"x\"");
      Write("authentication required");
      throw FinishRequest();
    }
  };
  Application app{{"/", Handler<Leaves>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.status(), 401);
  EXPECT_EQ(exchange.body(), "authentication required");
  EXPECT_EQ(exchange.header("WWW-Authenticate"), "Basic realm=\"x\"");
}

// WriteErrorTest, and hooks that throw still answer (BuggyLoggingTest, FailedWriteErrorTest).
TEST_F(LifecycleTest, HooksOfErrors) {
  struct Custom : RequestHandler {
    void WriteError(int status) override { Write("custom " + std::to_string(status)); }
    void Get() { throw HttpError(503); }
  };
  struct Buggy : RequestHandler {
    void LogException(const RequestError&) override { throw std::runtime_error("1/0"); }
    void WriteError(int) override { throw std::runtime_error("exception in write_error"); }
    void Get() { throw HttpError(403); }
  };
  Application app{{"/custom", Handler<Custom>()}, {"/buggy", Handler<Buggy>()}};
  const FakeExchange custom(app, GetRequest("/custom"));
  EXPECT_EQ(custom.status(), 503);
  EXPECT_EQ(custom.body(), "custom 503");
  const FakeExchange buggy(app, GetRequest("/buggy"));
  EXPECT_EQ(buggy.status(), 403);
  EXPECT_EQ(buggy.body(), "");
  EXPECT_TRUE(buggy.finished());
}

TEST_F(LifecycleTest, ErrorAfterTheHeadClosesTheConnection) {
  struct Breaks : RequestHandler {
    void Get() {
      Write("part");
      Flush();
      throw std::runtime_error("too late");
    }
  };
  Application app{{"/", Handler<Breaks>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), "part");
  EXPECT_EQ(exchange.broken_off(), 1);
}

TEST_F(LifecycleTest, FlushSendsInPieces) {
  struct Pieces : RequestHandler {
    Task<> Get() {
      Write("a");
      EXPECT_TRUE((co_await Flush()).ok());
      Write("b");
      Flush();
      Write("c");
    }
  };
  Application app{{"/", Handler<Pieces>()}};
  FakeExchange exchange(app, GetRequest("/"));
  ASSERT_TRUE(exchange.AwaitAnswer());
  EXPECT_EQ(exchange.body(), "abc");
  EXPECT_EQ(exchange.writes(), 3);
  EXPECT_FALSE(exchange.has_header("Content-Length"));
  EXPECT_FALSE(exchange.has_header("Etag"));
}

TEST_F(LifecycleTest, MisuseAfterFinishIsLoggedAndHarmless) {
  struct Twice : RequestHandler {
    void Get() {
      Finish("once");
      Write("again");
      Finish();
      SendError(500);
      Redirect("/x");
    }
  };
  LogCapture log;
  Application app{{"/", Handler<Twice>()}};
  const FakeExchange exchange(app, GetRequest("/"));
  EXPECT_EQ(exchange.body(), "once");
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_THAT(log.messages(), Contains(HasSubstr("Write() after Finish()")));
  EXPECT_THAT(log.messages(), Contains(HasSubstr("Finish() called twice")));
}

// StreamingRequestBodyTest.test_streaming_body and its order.
TEST_F(LifecycleTest, StreamedBody) {
  struct Streams : Recorder {
    void Prepare() {
      Steps().push_back("Prepare");
      SetMaxBodySize(100);
    }
    void DataReceived(std::string_view data) { Steps().push_back("data " + std::string(data)); }
    void Post() {
      Steps().push_back("Post");
      Write(request().body());
    }
  };
  Application app{{"/", Handler<Streams>()}};
  FakeExchange exchange(app, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
                        FakeExchange::Delivery::kByHand);
  exchange.DeliverHead();
  EXPECT_THAT(Steps(), ElementsAre("constructor", "Prepare"));
  EXPECT_EQ(exchange.max_body_size(), 100u);
  exchange.DeliverData("abcd");
  exchange.DeliverData("efgh");
  exchange.DeliverEnd();
  EXPECT_THAT(Steps(),
              ElementsAre("constructor", "Prepare", "data abcd", "data efgh", "Post", "OnFinish"));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.body(), "");
}

// BaseFlowControlHandler: each piece waits for the one before.
TEST_F(LifecycleTest, StreamedBodyWaitsForCoroutines) {
  struct Slow : Recorder {
    Task<> Prepare() {
      co_await Sleep(absl::Milliseconds(1));
      Steps().push_back("prepared");
    }
    Task<> DataReceived(std::string data) {
      Steps().push_back("begin " + data);
      co_await Sleep(absl::Milliseconds(1));
      Steps().push_back("end " + data);
    }
    void Post() { Write("ok"); }
  };
  Application app{{"/", Handler<Slow>()}};
  FakeExchange exchange(app, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
                        FakeExchange::Delivery::kByHand);
  exchange.DeliverHead();
  EXPECT_TRUE(exchange.body_is_streamed()) << "HttpServerOptions::max_streamed_body_size";
  EXPECT_TRUE(exchange.paused());
  exchange.DeliverData("1");  // a connection that cannot stop at once
  while (exchange.paused()) FakeExchange::RunLoopOnce();
  exchange.DeliverData("2");
  EXPECT_TRUE(exchange.paused());
  exchange.DeliverEnd();
  ASSERT_TRUE(exchange.AwaitAnswer());
  EXPECT_THAT(Steps(), ElementsAre("constructor", "prepared", "begin 1", "end 1", "begin 2",
                                   "end 2", "OnFinish"));
}

// StreamingRequestBodyTest.test_early_return and test_close_during_upload.
TEST_F(LifecycleTest, StreamedBodyEndsEarly) {
  struct Refuses : Recorder {
    void Prepare() { throw HttpError(401); }
    void DataReceived(std::string_view) { Steps().push_back("data"); }
    void Put() {}
  };
  struct Takes : Recorder {
    void DataReceived(std::string_view) { Steps().push_back("data"); }
    void Put() { Steps().push_back("Put"); }
  };
  Application app{{"/refuses", Handler<Refuses>()}, {"/takes", Handler<Takes>()}};
  FakeExchange refused(app, "PUT /refuses HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
                       FakeExchange::Delivery::kByHand);
  refused.DeliverHead();
  EXPECT_EQ(refused.status(), 401);
  refused.DeliverData("dropped");
  EXPECT_THAT(Steps(), ElementsAre("constructor", "OnFinish"));
  Steps().clear();
  FakeExchange lost(app, "PUT /takes HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n",
                    FakeExchange::Delivery::kByHand);
  lost.DeliverHead();
  lost.DeliverData("abcd");
  lost.LoseClient();
  EXPECT_THAT(Steps(), ElementsAre("constructor", "data", "OnConnectionClose", "destructor"));
}

TEST_F(LifecycleTest, AccessLogGetsEachAnswerOnce) {
  struct Ok : RequestHandler {
    void Get() { Write("x"); }
  };
  std::vector<std::string> lines;
  Settings settings;
  settings.log_function = [&](const AccessLogEntry& entry) {
    EXPECT_GE(entry.request_time, absl::ZeroDuration());
    lines.push_back(FormatAccessLogLine(entry).substr(0, 25));
  };
  Application app({{"/", Handler<Ok>()}}, settings);
  const FakeExchange ok(app, GetRequest("/?q=1"));
  const FakeExchange missing(app, GetRequest("/none"));
  EXPECT_THAT(lines, ElementsAre("200 GET /?q=1 (127.0.0.1)", "404 GET /none (127.0.0.1)"));
}

}  // namespace
}  // namespace squall
