// An echo server on squall: a coroutine per connection. `echo_squall lines` reads lines, else what
// there is.
//
// It listens on 127.0.0.1 and prints its port.
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/task.h"
#include "squall/netutil/accept.h"
#include "squall/netutil/address.h"
#include "squall/netutil/sockets.h"

namespace {

squall::Task<> EchoOctets(squall::IOStream stream) {
  while (true) {
    absl::StatusOr<std::string> data = co_await stream.ReadBytes(4096, squall::ReadMode::kPartial);
    if (!data.ok()) co_return;
    absl::Status written = co_await stream.Write(*std::move(data));
    if (!written.ok()) co_return;
  }
}

squall::Task<> EchoLines(squall::IOStream stream) {
  while (true) {
    absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n", 4096);
    if (!line.ok()) co_return;
    absl::Status written = co_await stream.Write(*std::move(line));
    if (!written.ok()) co_return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool lines = argc > 1 && std::string_view(argv[1]) == "lines";
  squall::IOLoop& loop = squall::IOLoop::Current();
  std::vector<squall::ListenSocket> sockets =
      squall::BindSockets(0, {.address = "127.0.0.1", .backlog = 4096}).value();
  std::printf("%d\n", sockets[0].address().port());
  std::fflush(stdout);
  const squall::AcceptHandle accepting =
      squall::AddAcceptHandler(loop, sockets[0], [&](squall::UniqueFd fd, squall::SocketAddress) {
        squall::IOStream stream(std::move(fd));
        loop.Spawn(lines ? EchoLines(std::move(stream)) : EchoOctets(std::move(stream)));
      });
  loop.Start();
}
