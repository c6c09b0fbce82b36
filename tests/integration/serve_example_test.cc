// The examples in httpserver/serve.h, as they stand there but for a free port, do what they say.

#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/raw_client.h"
#include "squall/process/testing/forked_program.h"
#include "squall/squall.h"

namespace squall {
namespace {

using testing::ForkedProgram;
using testing::LineWriter;

ServeOptions OnAnyPort(ServeOptions options, LineWriter out) {
  options.listen = {"127.0.0.1:0"};
  options.on_listening = [out](const std::vector<SocketAddress>& addresses) {
    out.Write(absl::StrCat(addresses[0].port()));
  };
  return options;
}

void ExpectAnswer(ForkedProgram& program, std::string_view answer) {
  RawClient client(static_cast<uint16_t>(std::stoi(program.ReadLine())));
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().body, answer);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), ExitStatus::Exited(0));
}

namespace first {

struct MainHandler : squall::RequestHandler {
  void Get() { Write("Hello, world\n"); }
};

int Main(LineWriter out) {
  squall::Application app{{"/", squall::Handler<MainHandler>()}};
  return squall::Serve(app, OnAnyPort({.listen = {":8090"}, .workers = 2}, out)).value();
}

}  // namespace first

TEST(ServeExample, AnApplicationThatIsMadeBeforeTheFork) {
  ForkedProgram program(first::Main);
  ExpectAnswer(program, "Hello, world\n");
}

namespace second {

struct Database {
  static absl::StatusOr<std::shared_ptr<Database>> Open(const std::string& name) {
    return std::make_shared<Database>(Database{name});
  }
  std::string name;
};

struct MainHandler : squall::RequestHandler {
  explicit MainHandler(std::shared_ptr<Database> database) : database(std::move(database)) {}
  void Get() { Write(database->name); }
  std::shared_ptr<Database> database;
};

int Main(LineWriter out) {
  return squall::Serve(
             []() -> absl::StatusOr<std::unique_ptr<squall::Application>> {
               ASSIGN_OR_RETURN(std::shared_ptr<Database> database, Database::Open("main"));
               return squall::Application::Create({{"/", squall::Handler<MainHandler>(database)}});
             },
             OnAnyPort({}, out))
      .value();
}

}  // namespace second

TEST(ServeExample, AnApplicationThatIsMadeInEachWorker) {
  ForkedProgram program(second::Main);
  ExpectAnswer(program, "main");
}

}  // namespace
}  // namespace squall
