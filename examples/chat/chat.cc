// A chat for telnet or nc, by a pool of processes: what one says all others read, whichever worker
// has their connection. Who reads too slowly is cut off; nobody waits for anybody.
//
//   bazel run //examples/chat -- --listen=localhost:8008 --workers=4
//   nc localhost 8008
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/chat/bus.h"
#include "examples/chat/chat_server.h"
#include "examples/chat/room.h"
#include "squall/base/flags.h"
#include "squall/base/status_macros.h"
#include "squall/ioloop/ioloop.h"
#include "squall/netutil/listen_address.h"
#include "squall/process/cpu_count.h"
#include "squall/process/fork.h"

ABSL_FLAG(std::string, listen, "localhost:8008", "where to listen: HOST:PORT or unix:PATH");
ABSL_FLAG(int, workers, 0, "processes; 0: one for each CPU");

namespace {

absl::Status Run() {
  ASSIGN_OR_RETURN(squall::ListenAddress address,
                   squall::ListenAddress::Parse(absl::GetFlag(FLAGS_listen)));
  ASSIGN_OR_RETURN(std::vector<squall::ListenSocket> sockets, squall::Bind(address));
  const int workers =
      absl::GetFlag(FLAGS_workers) > 0 ? absl::GetFlag(FLAGS_workers) : squall::CpuCount();
  ASSIGN_OR_RETURN(Bus bus, Bus::Create(workers));
  for (const squall::ListenSocket& socket : sockets) {
    std::printf("listening on %s\n", socket.address().ToString().c_str());
  }
  std::fflush(stdout);

  squall::ForkOptions options;
  options.max_workers = workers;
  // No worker beside its successor: the two would read each other's messages.
  options.restart.max_surge = 0;
  options.restart.max_unavailable = 1;
  ASSIGN_OR_RETURN(const int task_id, squall::ForkProcesses(workers, std::move(options)));

  Room room([&bus](std::string_view line) { bus.Publish(line); });
  bus.Join(task_id, [&room](std::string_view line) { room.Hear(line); });
  ChatServer server(&room);
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  // Those who are still there leave the room while there is one.
  squall::IOLoop::ClearCurrent();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "chat: what one says all others read.");
  const absl::Status status = Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "chat: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}
