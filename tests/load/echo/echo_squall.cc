// An echo server on squall: a coroutine per connection. As in docs/ioloop.md it sends back what there is
// from where it was received; `echo_squall strings` makes a string of it, `echo_squall lines` reads
// lines, `echo_squall into` into memory of the coroutine.
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

squall::Task<> EchoInPlace(squall::IOStream stream) {
  while (true) {
    absl::StatusOr<std::string_view> octets = co_await stream.Peek();
    if (!octets.ok()) co_return;
    absl::Status written = co_await stream.WriteBorrowed(*octets);
    if (!written.ok()) co_return;
    stream.Consume(octets->size());
  }
}

squall::Task<> EchoStrings(squall::IOStream stream) {
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

// For 4 KiB that an idle connection holds.
squall::Task<> EchoFromMemory(squall::IOStream stream) {
  char memory[4096];
  while (true) {
    absl::StatusOr<size_t> size = co_await stream.ReadInto(memory, squall::ReadMode::kPartial);
    if (!size.ok()) co_return;
    absl::Status written = co_await stream.WriteBorrowed({memory, *size});
    if (!written.ok()) co_return;
  }
}

using Echo = squall::Task<> (*)(squall::IOStream);

Echo EchoOf(std::string_view form) {
  if (form == "strings") return EchoStrings;
  if (form == "lines") return EchoLines;
  return form == "into" ? EchoFromMemory : EchoInPlace;
}

}  // namespace

int main(int argc, char** argv) {
  const Echo echo = EchoOf(argc > 1 ? argv[1] : "");
  squall::IOLoop& loop = squall::IOLoop::Current();
  std::vector<squall::ListenSocket> sockets =
      squall::BindSockets(0, {.address = "127.0.0.1", .backlog = 4096}).value();
  std::printf("%d\n", sockets[0].address().port());
  std::fflush(stdout);
  const squall::AcceptHandle accepting =
      squall::AddAcceptHandler(loop, sockets[0], [&](squall::UniqueFd fd, squall::SocketAddress) {
        squall::IOStream stream(std::move(fd));
        loop.Spawn(echo(std::move(stream)));
      });
  loop.Start();
}
