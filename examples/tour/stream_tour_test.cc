// docs/ioloop.md, "Streams": lines over a socket, back-pressure, a pipe.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

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

squall::Task<> EchoInPlace(squall::IOStream stream) {
  while (true) {
    absl::StatusOr<std::string_view> octets = co_await stream.Peek();  // what there is
    if (!octets.ok()) co_return;
    absl::Status written = co_await stream.WriteBorrowed(*octets);
    if (!written.ok()) co_return;
    stream.Consume(octets->size());
  }
}

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

TEST(StreamTour, EchoInPlace) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  squall::IOStream server(squall::UniqueFd{ends[0]});
  squall::IOStream client(squall::UniqueFd{ends[1]});
  squall::IOLoop& loop = squall::IOLoop::Current();
  loop.Spawn(EchoInPlace(std::move(server)));
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

squall::Task<absl::StatusOr<std::string>> Exchange(squall::IOStream stream,
                                                   std::vector<std::string> request) {
  absl::Status sent = co_await stream.Writev(std::move(request));  // one system call
  if (!sent.ok()) co_return sent;
  absl::Status ended = co_await stream.CloseWrite();  // after all that is queued; reading goes on
  if (!ended.ok()) co_return ended;
  absl::StatusOr<std::string> answer = co_await stream.ReadUntilClose();
  co_return answer;
}

// Adds numbers of two octets where they were received.
squall::Task<int> Sum(squall::IOStream* stream) {
  int sum = 0;
  while (true) {
    absl::StatusOr<std::string_view> octets = co_await stream->Peek(2);
    if (!octets.ok()) co_return sum;  // the end
    size_t parsed = 0;
    for (; octets->size() - parsed >= 2; parsed += 2) {
      sum += 256 * static_cast<uint8_t>((*octets)[parsed]) +
             static_cast<uint8_t>((*octets)[parsed + 1]);
    }
    stream->Consume(parsed);  // the rest, at most one octet, waits for more
  }
}

squall::Task<absl::Status> Receive(squall::IOStream* stream, std::span<char> picture) {
  absl::StatusOr<size_t> size = co_await stream->ReadInto(picture);  // recv writes to its place
  co_return size.status();
}

squall::Task<absl::Status> Answer(squall::IOStream stream) {
  std::string picture(3, ' ');
  absl::Status received = co_await Receive(&stream, std::span(picture));
  if (!received.ok()) co_return received;
  int sum = co_await Sum(&stream);
  absl::Status written = co_await stream.Write(picture + " " + std::to_string(sum));
  co_return written;
}

TEST(StreamTour, Exchange) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  // It answers after the end of the request.
  squall::IOStream server(squall::UniqueFd{ends[0]},
                          {.on_peer_eof = squall::OnPeerEof::kKeepWriting});
  squall::IOStream client(squall::UniqueFd{ends[1]});
  std::vector<std::string> request = {"pic", std::string("\x01\x00\x00\x02", 4), "\x01\x01"};
  auto both = squall::IOLoop::Current().RunSync(
      squall::Gather(Answer(std::move(server)), Exchange(std::move(client), std::move(request))));
  EXPECT_TRUE(std::get<0>(*both).ok());
  EXPECT_EQ(std::get<1>(*both).value(), "pic 515");
  squall::IOLoop::ClearCurrent();
}

}  // namespace
