// Lines come back, from a pool of processes (RFC 862): a TcpServer of ten lines.
//
//   bazel run //examples/echo_tcp -- --listen=localhost:8007 --workers=4
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/flags.h"
#include "squall/base/status_macros.h"
#include "squall/httpserver/tcpserver.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_stop.h"
#include "squall/netutil/listen_address.h"
#include "squall/process/fork.h"

ABSL_FLAG(std::string, listen, "localhost:8007", "where to listen: HOST:PORT or unix:PATH");
ABSL_FLAG(int, workers, 0, "processes; 0: one for each CPU");

namespace {

constexpr size_t kMaxLine = 64 << 10;

class EchoServer : public squall::TcpServer {
 public:
  squall::Task<> HandleStream(squall::IOStream stream, squall::SocketAddress) override {
    while (true) {
      absl::StatusOr<std::string> line =
          co_await squall::WithStop(drain_token(), stream.ReadUntil("\n", kMaxLine));
      if (!line.ok()) co_return;
      absl::Status written = co_await stream.Write(*std::move(line));
      if (!written.ok()) co_return;
    }
  }
};

absl::Status Run() {
  ASSIGN_OR_RETURN(squall::ListenAddress address,
                   squall::ListenAddress::Parse(absl::GetFlag(FLAGS_listen)));
  ASSIGN_OR_RETURN(std::vector<squall::ListenSocket> sockets, squall::Bind(address));
  for (const squall::ListenSocket& socket : sockets) {
    std::printf("listening on %s\n", socket.address().ToString().c_str());
  }
  std::fflush(stdout);
  RETURN_IF_ERROR(squall::ForkProcesses(absl::GetFlag(FLAGS_workers)).status());
  EchoServer server;
  server.AddSockets(std::move(sockets));
  squall::IOLoop::Current().Start();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  squall::ParseFlagsOrExit(argc, argv, "echo_tcp: sends lines back, from a pool of processes.");
  const absl::Status status = Run();
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "echo_tcp: %s\n", std::string(status.message()).c_str());
  return EXIT_FAILURE;
}
