// A server one of whose workers aborts as soon as it starts, for the tests of crash loops.
// --crash_slot names it; otherwise as //:server without files.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "squall/base/flags.h"
#include "squall/control/control_process.h"
#include "squall/squall.h"

ABSL_FLAG(int, port, 0, "TCP port, 0 for any that is free");
ABSL_FLAG(std::string, address, "127.0.0.1", "address to listen on");
ABSL_FLAG(int, workers, 2, "worker processes");
ABSL_FLAG(std::string, control, "", "unix:PATH");
ABSL_FLAG(int, crash_slot, 0, "the worker that aborts at its start");

struct PidHandler : squall::RequestHandler {
  void Get() { Write(absl::StrCat(getpid(), "\n")); }
};

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "faulty_server: one worker aborts at its start");
  auto sockets = squall::BindSockets(static_cast<uint16_t>(absl::GetFlag(FLAGS_port)),
                                     {.address = absl::GetFlag(FLAGS_address)})
                     .value();
  squall::ForkOptions options;
  options.sidecar = squall::MakeControlSidecar(
      {.listener = squall::BindUnixSocket(absl::GetFlag(FLAGS_control).substr(sizeof("unix:") - 1))
                       .value()});
  // The pool never becomes ready as a whole, so there is nothing to wait for.
  std::printf("serving http://127.0.0.1:%d/\n  workers 0\ntry\n", sockets[0].port());
  std::fflush(stdout);
  const int id = squall::ForkProcesses(absl::GetFlag(FLAGS_workers), std::move(options)).value();
  if (id == absl::GetFlag(FLAGS_crash_slot)) std::abort();
  squall::Application app{{"/", squall::Handler<PidHandler>()}};
  squall::HttpServer server(app);
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  return 0;
}
