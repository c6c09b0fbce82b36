// Two of Tornado's test cases, one to one. ProcessTest of tornado/test/process_test.py: two workers
// serve, the third is their client and makes them end in every way that the contract of
// ForkProcesses tells apart. TestMultiprocess of tornado/test/tcpserver_test.py: the ways to start
// a server in several processes, each of which tells its task id and ends.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/logging.h"
#include "squall/base/unique_fd.h"
#include "squall/httpserver/httpserver.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/sockets.h"
#include "squall/process/fork.h"
#include "squall/process/testing/forked_program.h"
#include "squall/web/application.h"
#include "squall/web/request_handler.h"

namespace squall {
namespace {

using ::testing::ElementsAre;
using testing::ForkedProgram;
using testing::LineWriter;

struct ProcessHandler : RequestHandler {
  void Get() {
    int number;
    if (absl::SimpleAtoi(GetArgument("exit", ""), &number)) _exit(number);
    if (absl::SimpleAtoi(GetArgument("signal", ""), &number)) kill(getpid(), number);
    Write(absl::StrCat(getpid()));
  }
};

// The whole answer to one request; nothing when the server closed without one.
std::optional<std::string> Fetch(uint16_t port, const std::string& target) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  PCHECK(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const std::string request = absl::StrCat("GET ", target, " HTTP/1.0\r\n\r\n");
  PCHECK(send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(request.size()));
  std::string answer;
  char bytes[4096];
  for (ssize_t got; (got = recv(socket.get(), bytes, sizeof bytes, 0)) > 0;) {
    answer.append(bytes, static_cast<size_t>(got));
  }
  const size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return std::nullopt;
  return answer.substr(body + 4);
}

int FetchPid(uint16_t port) {
  int pid = 0;
  const std::optional<std::string> body = Fetch(port, "/");
  CHECK(body.has_value()) << "no answer";
  CHECK(absl::SimpleAtoi(*body, &pid)) << *body;
  return pid;
}

int Serve(std::vector<ListenSocket> sockets) {
  Application app{{"/", Handler<ProcessHandler>()}};
  HttpServer server(app);
  server.AddSockets(std::move(sockets));
  IOLoop::Current().Start();
  return 0;
}

// `end_abnormally`: two targets that make the worker that gets them end in a way to be repaired.
int RunProgram(LineWriter out, const std::vector<std::string>& end_abnormally) {
  auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
  const uint16_t port = sockets[0].port();
  const int id = ForkProcesses(3, {.max_restarts = 3}).value();
  CHECK_EQ(id, TaskId().value());
  if (id != 2) return Serve(std::move(sockets));

  sockets.clear();
  // Two processes end abnormally. They are restarted, so a new fetch works.
  for (const std::string& target : end_abnormally) CHECK(!Fetch(port, target).has_value());
  FetchPid(port);
  // One ends normally and stays away.
  CHECK(!Fetch(port, "/?exit=0").has_value());
  // One is left: its pid changes when it ends abnormally.
  const int before = FetchPid(port);
  CHECK(!Fetch(port, "/?exit=4").has_value());
  CHECK_NE(before, FetchPid(port));
  // With the last one gone, the master ends.
  CHECK(!Fetch(port, "/?exit=0").has_value());
  out.Write("client done");
  return 0;
}

TEST(ProcessTest, test_multi_process) {
  ForkedProgram program([](LineWriter out) { return RunProgram(out, {"/?exit=2", "/?exit=3"}); });
  EXPECT_EQ(program.ReadLine(), "client done");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

// The part that Tornado's test has but switches off, because of a dialog on one system.
TEST(ProcessTest, test_multi_process_with_signals) {
  ForkedProgram program([](LineWriter out) {
    return RunProgram(out,
                      {absl::StrCat("/?signal=", SIGKILL), absl::StrCat("/?signal=", SIGABRT)});
  });
  EXPECT_EQ(program.ReadLine(), "client done");
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
  EXPECT_TRUE(program.WaitForEndOfOutput());
}

class TestMultiprocess : public ::testing::Test {
 protected:
  // Runs `main` as a program, which has to end with status 0. Returns its lines, sorted; what it
  // logged may be of level I alone.
  std::vector<std::string> RunSubproc(absl::FunctionRef<int(LineWriter)> main) {
    const UniqueFd log(memfd_create("stderr", MFD_CLOEXEC));
    PCHECK(log.valid());
    ForkedProgram program([&](LineWriter out) {
      PCHECK(dup2(log.get(), STDERR_FILENO) == STDERR_FILENO);
      return main(out);
    });
    EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
    EXPECT_TRUE(program.WaitForEndOfOutput());
    std::string text(1 << 20, '\0');
    const ssize_t size = pread(log.get(), text.data(), text.size(), 0);
    PCHECK(size >= 0);
    text.resize(static_cast<size_t>(size));
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(text, '\n', absl::SkipEmpty()))) {
      EXPECT_EQ(line.substr(0, 1), "I") << text;
    }
    std::vector<std::string> lines = absl::StrSplit(program.rest(), '\n', absl::SkipEmpty());
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  static void WriteTaskId(LineWriter out) { out.Write(absl::StrCat(TaskId().value())); }
};

// Tornado's sanity check of the harness itself: one process, which tells all three.
TEST_F(TestMultiprocess, test_listen_single) {
  EXPECT_THAT(RunSubproc([](LineWriter out) {
                TcpServer server;
                const absl::Status status = server.Listen(0, {.address = "127.0.0.1"});
                CHECK(status.ok()) << status;
                CHECK(!TaskId().has_value());
                for (const char* id : {"0", "1", "2"}) out.Write(id);
                return 0;
              }),
              ElementsAre("0", "1", "2"));
}

// Tornado's server.bind(0) and server.start(3), in one object that forks. TcpServer has no such
// pair: BindSockets, ForkProcesses and AddSockets are the way, here with the server made before the
// fork as Tornado's is.
TEST_F(TestMultiprocess, test_bind_start) {
  EXPECT_THAT(RunSubproc([](LineWriter out) {
                TcpServer server;
                auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
                ForkProcesses(3).value();
                server.AddSockets(std::move(sockets));
                WriteTaskId(out);
                return 0;
              }),
              ElementsAre("0", "1", "2"));
}

TEST_F(TestMultiprocess, test_add_sockets) {
  EXPECT_THAT(RunSubproc([](LineWriter out) {
                auto sockets = BindSockets(0, {.address = "127.0.0.1"}).value();
                ForkProcesses(3).value();
                TcpServer server;
                server.AddSockets(std::move(sockets));
                WriteTaskId(out);
                return 0;
              }),
              ElementsAre("0", "1", "2"));
}

TEST_F(TestMultiprocess, test_listen_multi_reuse_port) {
  EXPECT_THAT(RunSubproc([](LineWriter out) {
                ForkProcesses(3).value();
                TcpServer server;
                const absl::Status status =
                    server.Listen(0, {.address = "127.0.0.1", .reuse_port = true});
                CHECK(status.ok()) << status;
                WriteTaskId(out);
                return 0;
              }),
              ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace squall
