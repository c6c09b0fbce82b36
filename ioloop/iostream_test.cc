#include "squall/ioloop/iostream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
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
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::Duration kDeadline = absl::Seconds(20);

enum class Family { kUnix, kTcp };

std::pair<UniqueFd, UniqueFd> MakePair(Family family) {
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

  template <typename T>
  auto Run(Task<T> task) {
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

INSTANTIATE_TEST_SUITE_P(Families, IOStreamTest, testing::Values(Family::kUnix, Family::kTcp),
                         [](const auto& info) {
                           return info.param == Family::kUnix ? "Unix" : "Tcp";
                         });

// What read, in order, and how each read ended.
Task<> ReadLines(IOStream* stream, int count, std::vector<std::string>* lines) {
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::string> line = co_await stream->ReadUntil("\n");
    lines->push_back(line.ok() ? *line
                               : std::string(absl::StatusCodeToString(line.status().code())));
    if (!line.ok()) co_return;
  }
}

TEST_P(IOStreamTest, ReadUntilGivesTheDelimiterToo) {
  Send("first\nsecond\nrest");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("first\n"));
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("second\n"));
  EXPECT_THAT(Run(stream_->ReadBytes(4)), IsOkAndHolds("rest"));
}

TEST_P(IOStreamTest, ADelimiterMayComeInPieces) {
  std::vector<std::string> got;
  struct Local {
    static Task<> Read(IOStream* stream, std::vector<std::string>* got) {
      absl::StatusOr<std::string> head = co_await stream->ReadUntil("\r\n\r\n");
      got->push_back(head.ok() ? *head : head.status().ToString());
    }
  };
  loop_.Spawn(Local::Read(stream_.get(), &got));
  for (const char* piece : {"GET / HTTP/1.1\r", "\n", "\r", "\nbody"}) {
    EXPECT_THAT(got, ElementsAre());
    Send(piece);
    Run(Turn()).IgnoreError();
  }
  WaitFor([&] { return !got.empty(); });
  EXPECT_THAT(got, ElementsAre("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_THAT(Run(stream_->ReadBytes(10, ReadMode::kPartial)), IsOkAndHolds("body"));
}

// test_read_until_max_bytes and its siblings.
TEST_P(IOStreamTest, MaxBytesCountsTheDelimiter) {
  Send("abcdef\r");
  EXPECT_THAT(Run(stream_->ReadUntil("def", 6)), IsOkAndHolds("abcdef"));
  EXPECT_THAT(Run(stream_->ReadUntil("\r", 1)), IsOkAndHolds("\r"));
}

TEST_P(IOStreamTest, MaxBytesInlineFails) {
  Send("123456\r\nrest");
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  EXPECT_THAT(Run(stream_->ReadUntil("\r\n", 7)),
              StatusIs(absl::StatusCode::kOutOfRange, "no delimiter \"\\r\\n\" within 7 octets"));
  EXPECT_TRUE(stream_->closed());
  WaitFor([&] { return closed; });
}

TEST_P(IOStreamTest, MaxBytesFailsWithoutADelimiter) {
  Send("123456789");
  EXPECT_THAT(Run(stream_->ReadUntil("\n", 8)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_TRUE(stream_->closed());
}

TEST_P(IOStreamTest, MaxBytesExactlyReachedWaitsForMore) {
  std::vector<std::string> got;
  Send("12345678");
  struct Local {
    static Task<> Read(IOStream* stream, std::vector<std::string>* got) {
      absl::StatusOr<std::string> text = co_await stream->ReadUntil("\n", 8);
      got->push_back(std::string(absl::StatusCodeToString(text.status().code())));
    }
  };
  loop_.Spawn(Local::Read(stream_.get(), &got));
  Run(Turn()).IgnoreError();
  EXPECT_THAT(got, ElementsAre());
  Send("\n");
  WaitFor([&] { return !got.empty(); });
  EXPECT_THAT(got, ElementsAre("OUT_OF_RANGE"));
}

TEST_P(IOStreamTest, MaxBytesIgnoresWhatFollowsTheDelimiter) {
  Send("abc\ndefghijklmnop");
  EXPECT_THAT(Run(stream_->ReadUntil("\n", 4)), IsOkAndHolds("abc\n"));
  EXPECT_FALSE(stream_->closed());
}

TEST_P(IOStreamTest, ReadBytesPartial) {
  Send("hello");
  EXPECT_THAT(Run(stream_->ReadBytes(50, ReadMode::kPartial)), IsOkAndHolds("hello"));
  Send("world");
  EXPECT_THAT(Run(stream_->ReadBytes(2, ReadMode::kPartial)), IsOkAndHolds("wo"));
  EXPECT_THAT(Run(stream_->ReadBytes(0, ReadMode::kPartial)), IsOkAndHolds(""));
  EXPECT_THAT(Run(stream_->ReadBytes(50, ReadMode::kPartial)), IsOkAndHolds("rld"));
}

TEST_P(IOStreamTest, ReadOfZeroBytesCompletesAtOnceOnAClosedStreamToo) {
  EXPECT_THAT(Run(stream_->ReadBytes(0)), IsOkAndHolds(""));
  stream_->Close();
  EXPECT_THAT(Run(stream_->ReadBytes(0)), IsOkAndHolds(""));
}

TEST_P(IOStreamTest, ASecondReadAtATimeIsRefusedAndHarmless) {
  std::vector<std::string> got;
  loop_.Spawn(ReadLines(stream_.get(), 1, &got));
  EXPECT_TRUE(stream_->reading());
  EXPECT_THAT(Run(stream_->ReadBytes(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("Already reading")));
  Send("line\n");
  WaitFor([&] { return !got.empty(); });
  EXPECT_THAT(got, ElementsAre("line\n"));
  EXPECT_FALSE(stream_->reading());
}

TEST_P(IOStreamTest, AnEmptyDelimiterIsRefused) {
  EXPECT_THAT(Run(stream_->ReadUntil("")), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(stream_->closed());
}

TEST_P(IOStreamTest, TheReadBufferIsBoundedToTheOctet) {
  Connect({.max_buffer_size = 16});
  Send("123456789012345\n");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("123456789012345\n"));
  Send("1234567890123456\n");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_buffer_size 16")));
  EXPECT_TRUE(stream_->closed());
}

TEST_P(IOStreamTest, AnExactReadAboveTheBufferIsRefusedAndHarmless) {
  Connect({.max_buffer_size = 16});
  EXPECT_THAT(Run(stream_->ReadBytes(17)), StatusIs(absl::StatusCode::kResourceExhausted));
  Send("x");
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("x"));
}

TEST_P(IOStreamTest, ReadUntilCloseTakesAllThatFits) {
  Connect({.max_buffer_size = 16});
  Send("1234567890123456");
  peer_.reset();
  EXPECT_THAT(Run(stream_->ReadUntilClose()), IsOkAndHolds("1234567890123456"));
  EXPECT_TRUE(stream_->closed());
  EXPECT_THAT(Run(stream_->ReadUntilClose()), StatusIs(absl::StatusCode::kUnavailable));
}

// test_write_zero_bytes.
TEST_P(IOStreamTest, WritingNothingCompletes) {
  EXPECT_THAT(Run(stream_->Write("")), IsOk());
  EXPECT_FALSE(stream_->writing());
}

TEST_P(IOStreamTest, WriteGoesOutBeforeItIsAwaited) {
  Task<absl::Status> unused = stream_->Write("hello");
  char data[16];
  EXPECT_EQ(::recv(peer_.get(), data, sizeof data, 0), 5);
}

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  std::minstd_rand random(4711);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Task<> WriteAll(IOStream* stream, std::string text, absl::Status* status) {
  *status = co_await stream->Write(std::move(text));
}

TEST_P(IOStreamTest, ALargeWriteWaitsForThePeer) {
  const std::string text = Pattern(8 << 20);
  absl::Status status = absl::UnknownError("pending");
  loop_.Spawn(WriteAll(stream_.get(), text, &status));
  EXPECT_TRUE(stream_->writing());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown));
  std::string received;
  WaitFor([&] {
    std::string part(1 << 20, '\0');
    const ssize_t size = ::recv(peer_.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (size > 0) received.append(part, 0, size);
    return received.size() == text.size();
  });
  WaitFor([&] { return status.ok(); });
  EXPECT_TRUE(received == text);
  EXPECT_FALSE(stream_->writing());
}

TEST_P(IOStreamTest, WritesKeepTheirOrderAndCompleteInIt) {
  const std::string large = Pattern(4 << 20);
  absl::Status status[3] = {absl::UnknownError(""), absl::UnknownError(""), absl::UnknownError("")};
  loop_.Spawn(WriteAll(stream_.get(), large, &status[0]));
  loop_.Spawn(WriteAll(stream_.get(), "small", &status[1]));
  loop_.Spawn(WriteAll(stream_.get(), large, &status[2]));
  IOStream other(std::move(peer_), {.max_buffer_size = 16 << 20});
  EXPECT_TRUE(Run(other.ReadBytes(large.size())).value() == large);
  EXPECT_THAT(Run(other.ReadBytes(5)), IsOkAndHolds("small"));
  EXPECT_TRUE(Run(other.ReadBytes(large.size())).value() == large);
  WaitFor([&] { return status[2].ok(); });
  EXPECT_THAT(status[0], IsOk());
  EXPECT_THAT(status[1], IsOk());
}

TEST_P(IOStreamTest, TheWriteBufferIsBoundedAndTheRefusedWriteLeavesNoTrace) {
  Connect({.max_write_buffer_size = 8 << 20});
  Task<absl::Status> large = stream_->Write(std::string(8 << 20, 'a'));
  ASSERT_TRUE(stream_->writing());
  EXPECT_THAT(Run(stream_->Write(std::string(9 << 20, 'b'))),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_write_buffer_size")));
  EXPECT_FALSE(stream_->closed());
  IOStream other(std::move(peer_), {.max_buffer_size = 16 << 20});
  EXPECT_EQ(Run(other.ReadBytes(8 << 20)).value(), std::string(8 << 20, 'a'));
  EXPECT_THAT(Run(std::move(large)), IsOk());
  EXPECT_THAT(Run(stream_->Write("c")), IsOk());
  EXPECT_THAT(Run(other.ReadBytes(1)), IsOkAndHolds("c"));
}

// test_flow_control: the reader's buffer is smaller than what the writer has.
TEST_P(IOStreamTest, NothingIsReadWhileNobodyAsks) {
  std::vector<std::string> got;
  Send("line\n");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("line\n"));
  const std::string block(64 << 10, 'x');
  size_t sent = 0;
  // However often the loop turns, the kernel's buffers fill up.
  int full = 0;
  WaitFor([&] {
    const ssize_t size =
        ::send(peer_.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) sent += size;
    full = size < 0 ? full + 1 : 0;
    return full >= 20;
  });
  EXPECT_GT(sent, 0u);
  EXPECT_THAT(Run(stream_->ReadBytes(block.size())), IsOkAndHolds(block));
}

// test_many_mixed_reads.
Task<bool> MixedReads(IOStream* stream, std::string expected) {
  std::minstd_rand random(42);
  size_t at = 0;
  while (at < expected.size()) {
    const size_t left = expected.size() - at;
    absl::StatusOr<std::string> part = absl::UnknownError("");
    switch (random() % 3) {
      case 0:
        part = co_await stream->ReadBytes(std::min<size_t>(left, 1 + random() % 5000));
        break;
      case 1:
        part = co_await stream->ReadBytes(1 + random() % 5000, ReadMode::kPartial);
        break;
      default: {
        const size_t delimiter_at = expected.find("ab", at);
        if (delimiter_at == std::string::npos) continue;
        part = co_await stream->ReadUntil("ab");
        if (part.ok() && part->size() != delimiter_at + 2 - at) co_return false;
      }
    }
    if (!part.ok() || expected.compare(at, part->size(), *part) != 0) co_return false;
    at += part->size();
  }
  co_return true;
}

TEST_P(IOStreamTest, ManyMixedReads) {
  std::string text = Pattern(1 << 20);
  for (size_t i = 0; i + 2 < text.size(); i += 4000 + i % 977) text.replace(i, 2, "ab");
  IOStream other(std::move(peer_));
  absl::Status written;
  loop_.Spawn(WriteAll(&other, text, &written));
  EXPECT_THAT(Run(MixedReads(stream_.get(), text)), IsOkAndHolds(true));
}

// test_large_read_until: octet by octet would be quadratic if each arrival were scanned from the
// start.
TEST_P(IOStreamTest, AScanOfFourMegabytesIsLinear) {
  Connect({.max_buffer_size = 8 << 20, .read_chunk_size = 512});
  IOStream other(std::move(peer_));
  absl::Status written;
  loop_.Spawn(WriteAll(&other, std::string(4 << 20, '\r') + "\r\n\r\n", &written));
  EXPECT_EQ(Run(stream_->ReadUntil("\r\n\r\n")).value().size(), (4u << 20) + 4);
}

TEST_P(IOStreamTest, SmallReadsFromALargeBacklog) {
  Connect({.max_buffer_size = 10'000});
  IOStream other(std::move(peer_));
  absl::Status written;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(99, 'a' + i % 26) + "\n";
  loop_.Spawn(WriteAll(&other, text, &written));
  for (int i = 0; i < 500; ++i) {
    ASSERT_THAT(Run(stream_->ReadBytes(100)), IsOkAndHolds(text.substr(i * 100, 100)));
  }
  for (int i = 500; i < 1000; ++i) {
    ASSERT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds(text.substr(i * 100, 100)));
  }
}

// test_close_buffered_data, test_delayed_close_callback.
TEST_P(IOStreamTest, TheCloseCallbackWaitsForTheData) {
  std::vector<std::string> events;
  Send(std::string(512, 'A'));
  Send(std::string(512, 'B'));
  peer_.reset();
  stream_->SetCloseCallback([&events] { events.push_back("closed"); });
  EXPECT_THAT(Run(stream_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'A')));
  for (int i = 0; i < 5; ++i) Run(Turn()).IgnoreError();
  EXPECT_THAT(events, ElementsAre());
  EXPECT_THAT(Run(stream_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'A')));
  EXPECT_THAT(Run(stream_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'B')));
  EXPECT_THAT(events, ElementsAre());
  EXPECT_THAT(Run(stream_->ReadBytes(256)), IsOkAndHolds(std::string(256, 'B')));
  WaitFor([&] { return !events.empty(); });
  EXPECT_THAT(stream_->close_status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(IOStreamTest, AnIdleStreamNoticesThatThePeerLeft) {
  int closed = 0;
  stream_->SetCloseCallback([&closed] { ++closed; });
  Run(Turn()).IgnoreError();
  EXPECT_EQ(closed, 0);
  peer_.reset();
  WaitFor([&] { return closed > 0; });
  EXPECT_TRUE(stream_->closed());
  Run(Turn()).IgnoreError();
  EXPECT_EQ(closed, 1);
}

// test_close_callback_with_pending_read.
TEST_P(IOStreamTest, APendingReadEndsBeforeTheCloseCallback) {
  std::vector<std::string> events;
  stream_->SetCloseCallback([&events] { events.push_back("closed"); });
  loop_.Spawn(ReadLines(stream_.get(), 2, &events));
  Send("OK\n");
  WaitFor([&] { return !events.empty(); });
  peer_.reset();
  WaitFor([&] { return events.size() >= 3; });
  EXPECT_THAT(events, ElementsAre("OK\n", "UNAVAILABLE", "closed"));
}

// test_read_until_close_after_close, test_read_until_unsatisfied_after_close.
TEST_P(IOStreamTest, WhatWasReceivedCanBeReadAfterTheEnd) {
  Send("line\nrest");
  peer_.reset();
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("line\n"));
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(stream_->closed());
  EXPECT_THAT(Run(stream_->ReadBytes(4)), IsOkAndHolds("rest"));
  EXPECT_THAT(Run(stream_->ReadBytes(1)), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(IOStreamTest, CloseFailsWhatIsPendingWithItsReason) {
  std::vector<std::string> events;
  absl::Status written = absl::UnknownError("pending");
  loop_.Spawn(ReadLines(stream_.get(), 1, &events));
  loop_.Spawn(WriteAll(stream_.get(), std::string(16 << 20, 'x'), &written));
  stream_->SetCloseCallback([&events] { events.push_back("closed"); });
  stream_->Close(absl::PermissionDeniedError("go away"));
  EXPECT_THAT(events, ElementsAre());  // Not inside Close.
  WaitFor([&] { return events.size() == 2; });
  EXPECT_THAT(events, ElementsAre("PERMISSION_DENIED", "closed"));
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kPermissionDenied, "go away"));
  EXPECT_EQ(stream_->fd(), -1);
  EXPECT_THAT(Run(stream_->Write("x")), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_P(IOStreamTest, DestroyingTheStreamCancelsWhoWaitsOnIt) {
  std::vector<std::string> events;
  absl::Status written = absl::UnknownError("pending");
  loop_.Spawn(ReadLines(stream_.get(), 1, &events));
  loop_.Spawn(WriteAll(stream_.get(), std::string(16 << 20, 'x'), &written));
  stream_->SetCloseCallback([&events] { events.push_back("closed"); });
  stream_.reset();
  WaitFor([&] { return absl::IsCancelled(written); });
  EXPECT_THAT(events, ElementsAre("CANCELLED"));
}

TEST_P(IOStreamTest, AWaitingTaskMayBeDestroyed) {
  EXPECT_THAT(loop_.RunSync(stream_->ReadUntil("\n"), absl::Milliseconds(2)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(loop_.RunSync(stream_->Write(std::string(8 << 20, 'x')), absl::Milliseconds(2)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // The stream is as it was: the octets go on, and a read is possible.
  EXPECT_TRUE(stream_->writing());
  EXPECT_FALSE(stream_->reading());
  Send("x");
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("x"));
  IOStream other(std::move(peer_), {.max_buffer_size = 16 << 20});
  EXPECT_THAT(Run(other.ReadBytes(8 << 20)), IsOk());
}

// The peer ends its side while it still has to receive most of the answer.
TEST_P(IOStreamTest, AHalfClosedPeerGetsAllThatIsQueued) {
  const std::string answer = Pattern(6 << 20);
  std::vector<std::string> events;
  absl::Status written = absl::UnknownError("pending");
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  Send("request\n");
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("request\n"));
  loop_.Spawn(WriteAll(stream_.get(), answer, &written));
  loop_.Spawn(ReadLines(stream_.get(), 1, &events));
  WaitFor([&] { return !events.empty(); });
  EXPECT_THAT(events, ElementsAre("UNAVAILABLE"));
  EXPECT_FALSE(closed);
  IOStream other(std::move(peer_), {.max_buffer_size = 16 << 20});
  EXPECT_TRUE(Run(other.ReadBytes(answer.size())).value() == answer);
  WaitFor([&] { return closed; });
  EXPECT_THAT(written, IsOk());
}

TEST_P(IOStreamTest, KeepWritingAfterThePeersEnd) {
  Connect({.on_peer_eof = OnPeerEof::kKeepWriting});
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  Send("request\n");
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("request\n"));
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), StatusIs(absl::StatusCode::kUnavailable));
  for (int i = 0; i < 5; ++i) Run(Turn()).IgnoreError();
  EXPECT_FALSE(stream_->closed());
  EXPECT_THAT(Run(stream_->Write("answer")), IsOk());
  char data[16];
  EXPECT_EQ(::recv(peer_.get(), data, sizeof data, 0), 6);
  EXPECT_FALSE(closed);
  peer_.reset();
  WaitFor([&] {
    // On TCP only an unanswered write tells a peer that is gone from one that listens.
    if (!stream_->closed()) (void)stream_->Write("x");
    return closed;
  });
}

// EPIPE and ECONNRESET: an error, never SIGPIPE, and what came before is readable.
TEST_P(IOStreamTest, WritingToAPeerThatLeftIsAnErrorOnly) {
  Send("last words\n");
  peer_.reset();
  absl::Status status;
  WaitFor([&] {
    status = Run(stream_->Write(std::string(1 << 20, 'x')));
    return !status.ok();
  });
  EXPECT_THAT(ErrnoFromStatus(status), AnyOf(EPIPE, ECONNRESET));
  EXPECT_TRUE(stream_->closed());
  if (GetParam() == Family::kUnix) {
    EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("last words\n"));
  }
}

TEST_P(IOStreamTest, AResetIsReportedWithItsErrno) {
  if (GetParam() == Family::kUnix) GTEST_SKIP() << "unix sockets have no reset by linger";
  std::vector<std::string> events;
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  loop_.Spawn(ReadLines(stream_.get(), 1, &events));
  const linger reset = {.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(::setsockopt(peer_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  peer_.reset();
  WaitFor([&] { return closed; });
  EXPECT_EQ(ErrnoFromStatus(stream_->close_status()), ECONNRESET);
}

TEST_P(IOStreamTest, Moves) {
  IOStream moved(std::move(*stream_));
  Send("x\n");
  EXPECT_THAT(Run(moved.ReadUntil("\n")), IsOkAndHolds("x\n"));
  auto [here, there] = MakePair(GetParam());
  moved = IOStream(std::move(here));
  char data[1];
  EXPECT_EQ(::recv(peer_.get(), data, 1, 0), 0);  // The old connection is closed.
  ASSERT_EQ(::send(there.get(), "y", 1, 0), 1);
  EXPECT_THAT(Run(moved.ReadBytes(1)), IsOkAndHolds("y"));
}

TEST_P(IOStreamTest, NoDelay) {
  stream_->set_nodelay(true);
  if (GetParam() == Family::kUnix) return;
  int value = 0;
  socklen_t size = sizeof value;
  ASSERT_EQ(::getsockopt(stream_->fd(), IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  EXPECT_EQ(value, 1);
}

TEST_P(IOStreamTest, AStreamMayOutliveItsLoop) {
  std::vector<std::string> events;
  loop_.Spawn(ReadLines(stream_.get(), 1, &events));
  IOLoop::ClearCurrent();
  EXPECT_FALSE(stream_->reading());
  stream_->Close();
  stream_.reset();
  EXPECT_THAT(events, ElementsAre());
}

Task<> CloseInside(std::unique_ptr<IOStream>* stream, bool* done) {
  (co_await (*stream)->ReadUntil("\n")).IgnoreError();
  stream->reset();
  *done = true;
}

TEST_P(IOStreamTest, AReaderMayDestroyItsStream) {
  bool done = false;
  loop_.Spawn(CloseInside(&stream_, &done));
  Send("x\n");
  WaitFor([&] { return done; });
}

// A transport that never runs dry: such a peer must not keep the others from their turn.
class EndlessTransport : public Transport {
 public:
  EndlessTransport() {
    auto [readable, writer] = MakePair(Family::kUnix);
    EXPECT_EQ(::send(writer.get(), "x", 1, 0), 1);
    fd_ = std::move(readable);
    writer_ = std::move(writer);
  }
  int fd() const override { return fd_.get(); }
  ssize_t Read(char* data, size_t size) override {
    data[0] = 'x';
    return 1;
  }
  ssize_t Write(const iovec*, int) override { return -1; }
  int ShutdownWrite() override { return 0; }

 private:
  UniqueFd fd_;
  UniqueFd writer_;
};

Task<> ReadForEver(IOStream* stream) {
  while (true) {
    const absl::StatusOr<std::string> octet = co_await stream->ReadBytes(1);
    if (!octet.ok()) co_return;
  }
}

TEST(IOStreamFairnessTest, AnEndlessPeerLeavesTurnsToOthers) {
  {
    IOStream stream(std::make_unique<EndlessTransport>());
    IOLoop& loop = IOLoop::Current();
    Timeout stop = loop.CallLater(absl::ZeroDuration(), [&loop] { loop.Stop(); });
    loop.Spawn(ReadForEver(&stream));
    loop.Start();
  }
  IOLoop::ClearCurrent();
}

}  // namespace
}  // namespace squall
