// Whole servers: master, workers, sockets, in a program that is forked for each test.
#include "squall/httpserver/serve.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/httpserver/raw_client.h"
#include "squall/httpserver/test_app.h"
#include "squall/netutil/sockets.h"
#include "squall/process/testing/forked_program.h"

namespace squall {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::Eventually;
using testing::ForkedProgram;
using ::testing::HasSubstr;
using testing::LineWriter;

// One worker on any free port, which it writes as its first line; "ready" when it is.
ServeOptions Options(LineWriter out) {
  ServeOptions options{.listen = {"127.0.0.1:0"}, .workers = 1};
  options.on_listening = [out](const std::vector<SocketAddress>& addresses) {
    out.Write(absl::StrCat(addresses[0].port()));
  };
  options.fork.on_ready = [out](const PoolSnapshot&) { out.Write("ready"); };
  return options;
}

// "/pid" and "/umask" say the worker's.
void AddRoutes(TestApp& app) {
  app.Route("/pid", {.finish = [](TestApp::Exchange& e) {
              e.Answer(absl::StrCat(getpid())).IgnoreError();
            }});
  app.Route("/umask", {.finish = [](TestApp::Exchange& e) {
              const mode_t mask = umask(0);
              umask(mask);
              e.Answer(absl::StrCat(mask)).IgnoreError();
            }});
}

int ServeTestApp(LineWriter out, ServeOptions options) {
  TestApp app;
  AddRoutes(app);
  const absl::StatusOr<int> served = Serve(app, std::move(options));
  if (!served.ok()) {
    out.Write(std::string(served.status().message()));
    return 99;
  }
  return *served;
}

uint16_t ReadPort(ForkedProgram& program) {
  uint32_t port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(program.ReadLine(), &port));
  EXPECT_EQ(program.ReadLine(), "ready");
  return static_cast<uint16_t>(port);
}

RawClient::Response Ask(RawClient client, std::string_view path, std::string_view fields = "") {
  client.Send(absl::StrCat("GET ", std::string(path), " HTTP/1.1\r\nHost: a\r\n",
                           std::string(fields), "Connection: close\r\n\r\n"));
  return client.ReadResponse();
}

std::string Get(uint16_t port, std::string_view path) { return Ask(RawClient(port), path).body; }

int StatusOfLongHead(uint16_t port) {
  return Ask(RawClient(port), "/hello", absl::StrCat("X: ", std::string(2000, 'x'), "\r\n")).status;
}

TEST(Serve, OnEveryAddressUntilItIsTold) {
  char directory[] = "/tmp/squallXXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = absl::StrCat(directory, "/s");
  ForkedProgram program([&](LineWriter out) {
    ServeOptions options = Options(out);
    options.listen.push_back(absl::StrCat("unix:", path));
    options.unix_mode = 0620;
    options.workers = 2;
    return ServeTestApp(out, std::move(options));
  });
  EXPECT_EQ(Get(ReadPort(program), "/hello"), "Hello world");
  EXPECT_EQ(Ask(RawClient(SocketAddress::FromUnixPath(path).value()), "/hello").body,
            "Hello world");
  struct stat file;
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0620u);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  unlink(path.c_str());
  rmdir(directory);
}

TEST(Serve, OneWorkerIsSupervised) {
  ForkedProgram program([](LineWriter out) { return ServeTestApp(out, Options(out)); });
  const uint16_t port = ReadPort(program);
  const std::string before = Get(port, "/pid");
  EXPECT_NE(before, absl::StrCat(program.pid()));
  ASSERT_EQ(kill(std::stoi(before), SIGKILL), 0);
  // The connection waits in the backlog for the successor, or is reset with the dead one.
  EXPECT_TRUE(Eventually([&] {
    const std::string after = Get(port, "/pid");
    return !after.empty() && after != before;
  }));
}

TEST(Serve, TheFactoryMakesTheApplicationInEachWorker) {
  ForkedProgram program([](LineWriter out) {
    const pid_t master = getpid();
    ServeOptions options = Options(out);
    options.fork.hooks.after_fork = [out](const WorkerIdentity&) {
      out.Write("after_fork");
      return absl::OkStatus();
    };
    return Serve(
               [out, master] {
                 out.Write(getpid() == master ? "made in the master" : "made in a worker");
                 auto app = std::make_unique<TestApp>();
                 AddRoutes(*app);
                 return app;
               },
               std::move(options))
        .value();
  });
  const std::string port_line = program.ReadLine();
  EXPECT_THAT(program.ReadLines(3), ElementsAre("after_fork", "made in a worker", "ready"));
  const auto port = static_cast<uint16_t>(std::stoi(port_line));
  ASSERT_EQ(kill(std::stoi(Get(port, "/pid")), SIGKILL), 0);
  EXPECT_THAT(program.ReadLines(2), ElementsAre("after_fork", "made in a worker"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

TEST(Serve, AnApplicationThatCannotBeMadeIsABootFailure) {
  ForkedProgram program([](LineWriter out) {
    ServeOptions options = Options(out);
    options.fork.max_restarts = 1;
    return Serve(
               [out]() -> absl::StatusOr<std::unique_ptr<HttpServerConnectionDelegate>> {
                 out.Write("tried");
                 return absl::UnavailableError("no database");
               },
               std::move(options))
        .value();
  });
  program.ReadLine();
  EXPECT_THAT(program.ReadLines(2), ElementsAre("tried", "tried"));
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(1));
  EXPECT_TRUE(program.WaitForEndOfOutput());
  EXPECT_EQ(program.rest(), "");
}

TEST(Serve, AnErrorIsReturnedBeforeAnythingIsForked) {
  TestApp app;
  EXPECT_THAT(Serve(app, {.workers = -1}), StatusIs(absl::StatusCode::kInvalidArgument));

  const std::vector<ListenSocket> taken = BindSockets(0, {.address = "127.0.0.1"}).value();
  const std::string address = taken[0].address().ToString();
  ServeOptions options{.listen = {"127.0.0.1:0", address}};
  options.on_listening = [](const std::vector<SocketAddress>&) { ADD_FAILURE(); };
  EXPECT_THAT(Serve(app, std::move(options)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(address), HasSubstr("in use"))));
}

// A slot's worker alone gets its connections, and siblings what it leaves behind.
TEST(Serve, WithASocketForEachWorker) {
  char directory[] = "/tmp/squallXXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = absl::StrCat(directory, "/s");
  ForkedProgram program([&](LineWriter out) {
    ServeOptions options = Options(out);
    options.listen.push_back(absl::StrCat("unix:", path));
    options.workers = 2;
    options.http.accept_policy = AcceptPolicy::kReusePort;
    options.fork.on_serving = [out](absl::Span<const int> slots) {
      out.Write(absl::StrCat(slots.size(), " serve"));
    };
    return ServeTestApp(out, std::move(options));
  });
  const auto port = static_cast<uint16_t>(std::stoi(program.ReadLine()));
  while (program.ReadLine() != "2 serve") continue;
  std::set<std::string> workers;
  EXPECT_TRUE(Eventually([&] { return workers.insert(Get(port, "/pid")), workers.size() == 2; }));
  EXPECT_EQ(Ask(RawClient(SocketAddress::FromUnixPath(path).value()), "/hello").body,
            "Hello world");
  program.Signal(SIGTTOU);
  while (program.ReadLine() != "1 serve") continue;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(workers.count(Get(port, "/pid")), 1u);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  unlink(path.c_str());
  rmdir(directory);
}

TEST(Serve, AReloadCannotGiveEachWorkerASocket) {
  ForkedProgram program([](LineWriter out) {
    ServeOptions options = Options(out);
    options.on_reload = [out](HttpServerOptions& http, WorkerSettings&) {
      http.accept_policy = AcceptPolicy::kReusePort;
      out.Write("asked");
      return absl::OkStatus();
    };
    return ServeTestApp(out, std::move(options));
  });
  const uint16_t port = ReadPort(program);
  const std::string first = Get(port, "/pid");
  for (int i = 0; i < 2; ++i) {
    program.Signal(SIGHUP);
    EXPECT_EQ(program.ReadLine(), "asked");
  }
  EXPECT_EQ(Get(port, "/pid"), first);
}

// The autoscaler knows the sockets that Serve() has bound.
TEST(Serve, TheBacklogOfItsSocketsIsLookedAt) {
  ForkedProgram program([](LineWriter out) {
    ServeOptions options = Options(out);
    options.fork.max_workers = 2;
    options.fork.autoscaler = {
        .mode = AutoscalerMode::kBacklog, .backlog_target = 1, .interval = absl::Milliseconds(100)};
    options.fork.on_serving = [out](absl::Span<const int> slots) {
      if (slots.size() == 2) out.Write("two");
    };
    TestApp app;
    app.Route("/block", {.finish = [](TestApp::Exchange& e) {
                absl::SleepFor(absl::Milliseconds(500));
                e.Answer("done").IgnoreError();
              }});
    return Serve(app, std::move(options)).value();
  });
  const uint16_t port = ReadPort(program);
  std::vector<RawClient> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back(port).Send("GET /block HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  }
  EXPECT_EQ(program.ReadLine(), "two");
  for (RawClient& client : clients) EXPECT_EQ(client.ReadResponse().body, "done");
}

TEST(Serve, AReloadChangesWhatTheNewWorkersGet) {
  ForkedProgram program([](LineWriter out) {
    ServeOptions options = Options(out);
    options.fork.worker.umask = 027;
    int reloads = 0;
    options.on_reload = [out, reloads](HttpServerOptions& http, WorkerSettings& worker) mutable {
      switch (++reloads) {
        case 1:
          out.Write("an error");
          http.max_header_size = 1000;
          return absl::InvalidArgumentError("line 3: no such option");
        case 2:
          out.Write("not valid");
          http.max_header_size = 0;
          return absl::OkStatus();
        case 3:
          out.Write("not valid either");
          worker.user = "no-such-user";
          return absl::OkStatus();
        default:
          out.Write(absl::StrCat("good, from ", http.max_header_size, " ", *worker.umask));
          http.max_header_size = 1000;
          worker.umask = 077;
          return absl::OkStatus();
      }
    };
    return ServeTestApp(out, std::move(options));
  });
  const uint16_t port = ReadPort(program);
  const std::string first = Get(port, "/pid");
  for (const char* line : {"an error", "not valid", "not valid either"}) {
    program.Signal(SIGHUP);
    EXPECT_EQ(program.ReadLine(), line);
  }
  EXPECT_EQ(Get(port, "/umask"), absl::StrCat(027));
  EXPECT_EQ(StatusOfLongHead(port), 200);
  EXPECT_EQ(Get(port, "/pid"), first);
  program.Signal(SIGHUP);
  EXPECT_EQ(program.ReadLine(), absl::StrCat("good, from ", 64 * 1024, " ", 027));
  EXPECT_TRUE(Eventually([&] { return Get(port, "/umask") == absl::StrCat(077); }));
  EXPECT_TRUE(Eventually([&] { return StatusOfLongHead(port) == 431; }));
  EXPECT_TRUE(Eventually([&] { return Get(port, "/pid") != first; }));
}

TEST(Serve, AfterAFailedRestartTheOldConfigurationComesBack) {
  ForkedProgram program([](LineWriter out) {
    ServeOptions options = Options(out);
    options.fork.worker.umask = 027;
    options.fork.restart.max_failures = 1;
    options.on_reload = [](HttpServerOptions& http, WorkerSettings& worker) {
      http.max_header_size = 1000;
      worker.umask = 077;
      return absl::OkStatus();
    };
    options.fork.hooks.after_fork = [out](const WorkerIdentity& self) {
      const mode_t mask = umask(0);
      umask(mask);
      out.Write(absl::StrCat("generation ", self.generation, " umask ", mask));
      return self.generation == 1 ? absl::OkStatus() : absl::InternalError("a broken build");
    };
    return ServeTestApp(out, std::move(options));
  });
  const std::string port_line = program.ReadLine();
  EXPECT_THAT(program.ReadLines(2), ElementsAre(absl::StrCat("generation 1 umask ", 027), "ready"));
  const auto port = static_cast<uint16_t>(std::stoi(port_line));
  program.Signal(SIGHUP);
  EXPECT_EQ(program.ReadLine(), absl::StrCat("generation 2 umask ", 077));
  ASSERT_EQ(kill(std::stoi(Get(port, "/pid")), SIGKILL), 0);
  // The worker may have been dead before the restart had failed.
  std::string line = program.ReadLine();
  while (line == absl::StrCat("generation 2 umask ", 077)) line = program.ReadLine();
  EXPECT_EQ(line, absl::StrCat("generation 1 umask ", 027));
  EXPECT_EQ(StatusOfLongHead(port), 200);
}

}  // namespace
}  // namespace squall
