// docs/ioloop.md, "Streams": lines over a socket, back-pressure, a pipe.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/pipe_stream.h"
#include "squall/ioloop/task.h"

namespace {

squall::Task<> Echo(squall::IOStream stream) {
  while (true) {
    absl::StatusOr<std::string> line = co_await stream.ReadUntil("\n", 4096);
    if (!line.ok()) co_return;  // the peer left, or its line was longer
    absl::Status written = co_await stream.Write(*std::move(line));
    if (!written.ok()) co_return;
  }
}  // the stream's destructor closes it

squall::Task<std::string> Ask(squall::IOStream stream) {
  absl::Status asked = co_await stream.Write("how are you?\n");
  if (!asked.ok()) co_return asked.ToString();
  absl::StatusOr<std::string> answer = co_await stream.ReadUntil("\n");
  co_return answer.value_or("no answer");
}

TEST(StreamTour, Echo) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  squall::IOStream server(squall::UniqueFd{ends[0]});
  squall::IOStream client(squall::UniqueFd{ends[1]});
  squall::IOLoop& loop = squall::IOLoop::Current();
  loop.Spawn(Echo(std::move(server)));
  EXPECT_EQ(*loop.RunSync(Ask(std::move(client))), "how are you?\n");
  squall::IOLoop::ClearCurrent();
}

squall::Task<absl::StatusOr<std::string>> Piped() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) co_return absl::InternalError("pipe2");
  squall::PipeStream reader(squall::UniqueFd{ends[0]});
  squall::PipeStream writer(squall::UniqueFd{ends[1]});
  absl::Status written = co_await writer.Write("through a pipe");
  if (!written.ok()) co_return written;
  writer.Close();
  absl::StatusOr<std::string> all = co_await reader.ReadUntilClose();
  co_return all;
}

TEST(StreamTour, Pipe) { EXPECT_EQ(*squall::IOLoop::Current().RunSync(Piped()), "through a pipe"); }

}  // namespace
