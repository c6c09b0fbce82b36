// The program of the article on fork_processes: two workers, each blocked by one request.
#include "squall/squall.h"

struct LongHandler : squall::RequestHandler {
  void Get() {
    Write(absl::StrCat(getpid()));
    absl::SleepFor(absl::Seconds(10));  // blocks this worker only
  }
};

int main() {
  auto sockets = squall::BindSockets(8090).value();
  squall::ForkProcesses(2).value();  // returns in the workers
  squall::Application app{{"/", squall::Handler<LongHandler>()}};
  squall::HttpServer server(app);
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
}
