// What the tests of IOStream share: a stream with a bare socket for its peer, over unix sockets and
// over TCP. Tests only.
//
//   TEST_P(IOStreamTest, ReadsALine) {
//     Send("first\nrest");
//     EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("first\n"));
//   }
//   INSTANTIATE_TEST_SUITE_P(Families, IOStreamTest, testing::ValuesIn(kFamilies), FamilyName);
#ifndef SQUALL_IOLOOP_IOSTREAM_FIXTURE_H_
#define SQUALL_IOLOOP_IOSTREAM_FIXTURE_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall::internal {

enum class Family { kUnix, kTcp };

inline constexpr Family kFamilies[] = {Family::kUnix, Family::kTcp};

// The end of a test's name, after the slash.
inline std::string FamilyName(const testing::TestParamInfo<Family>& info) {
  return info.param == Family::kUnix ? "Unix" : "Tcp";
}

// The two ends of a connection.
inline std::pair<UniqueFd, UniqueFd> MakePair(Family family) {
  if (family == Family::kUnix) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(server.valid());
  return {std::move(server), std::move(client)};
}

class IOStreamTest : public testing::TestWithParam<Family> {
 protected:
  static constexpr absl::Duration kDeadline = absl::Seconds(20);

  IOStreamTest() { Connect(); }
  ~IOStreamTest() override {
    stream_.reset();
    IOLoop::ClearCurrent();
  }

  // A new connection: stream_ here, the bare socket peer_ there.
  void Connect(IOStreamOptions options = {}) {
    auto [here, there] = MakePair(GetParam());
    stream_ = std::make_unique<IOStream>(std::move(here), options);
    peer_ = std::move(there);
  }

  void Send(const std::string& text) {
    ASSERT_EQ(::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  template <TaskLike T>
  auto Run(T task) {
    return loop_.RunSync(std::move(task), kDeadline);
  }

  // Turns the loop until `condition` holds, or fails.
  template <typename Condition>
  void WaitFor(Condition condition) {
    const MonotonicTime give_up = Clock::Real().Now() + kDeadline;
    while (!condition()) {
      ASSERT_LT(Clock::Real().Now(), give_up);
      ASSERT_THAT(loop_.RunSync(Turn()), IsOk());
    }
  }
  static Task<> Turn() { co_await Sleep(absl::Milliseconds(1)); }

  IOLoop& loop_ = IOLoop::Current();
  std::unique_ptr<IOStream> stream_;
  UniqueFd peer_;
};

// What read, in order, and how each read ended.
inline Task<> ReadLines(IOStream* stream, int count, std::vector<std::string>* lines) {
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::string> line = co_await stream->ReadUntil("\n");
    lines->push_back(line.ok() ? *line
                               : std::string(absl::StatusCodeToString(line.status().code())));
    if (!line.ok()) co_return;
  }
}

// Octets that repeat nowhere a test would notice.
inline std::string Pattern(size_t size) {
  std::string text(size, '\0');
  std::minstd_rand random(4711);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// Writes all of `text`; `status` says how that ended.
inline Task<> WriteAll(IOStream* stream, std::string text, absl::Status* status) {
  *status = co_await stream->Write(std::move(text));
}

}  // namespace squall::internal

#endif  // SQUALL_IOLOOP_IOSTREAM_FIXTURE_H_
