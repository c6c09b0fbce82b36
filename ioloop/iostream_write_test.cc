// Writes of several parts, of memory of the user, up to a limit; the end of writing; what the
// errors of a socket become.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
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
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"
#include "squall/ioloop/with_stop.h"

namespace squall {
namespace {

using internal::Family;
using internal::IOStreamTest;
using internal::MakePair;
using internal::Pattern;
using testing::HasSubstr;

constexpr absl::Duration kShort = absl::Milliseconds(2);

Task<> Store(Task<absl::Status> task, std::optional<absl::Status>* status) {
  absl::Status done = co_await std::move(task);
  *status = std::move(done);
}

class WriteTest : public IOStreamTest {
 protected:
  // The status of a write that runs beside the test.
  std::unique_ptr<std::optional<absl::Status>> Begin(Task<absl::Status> write) {
    auto status = std::make_unique<std::optional<absl::Status>>();
    loop_.Spawn(Store(std::move(write), status.get()));
    return status;
  }

  // What the peer reads until it has `size` octets.
  std::string PeerReads(size_t size) {
    std::string all;
    WaitFor([&] {
      std::string part(256 << 10, '\0');
      const ssize_t got = ::recv(peer_.get(), part.data(), part.size(), MSG_DONTWAIT);
      if (got > 0) all.append(part, 0, got);
      return all.size() >= size;
    });
    return all;
  }

  // Fills the way to the peer, so that what is written then waits. Returns how much that took.
  size_t Clog() {
    const std::string block(64 << 10, 'c');
    size_t clogged = 0;
    ssize_t sent;
    int full = 0;
    while (full < 3) {
      sent = ::send(stream_->fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) clogged += sent;
      full = sent > 0 ? 0 : full + 1;
      Run(Turn()).IgnoreError();  // TCP moves what it has taken.
    }
    return clogged;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, WriteTest, testing::ValuesIn(internal::kFamilies),
                         internal::FamilyName);

std::string Joined(const std::vector<std::string>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::string());
}

TEST_P(WriteTest, WritevKeepsTheOrderOfItsParts) {
  EXPECT_THAT(Run(stream_->Writev({"head", "", "body", "tail"})), IsOk());
  EXPECT_EQ(PeerReads(12), "headbodytail");
  EXPECT_THAT(Run(stream_->Writev({})), IsOk());
  EXPECT_THAT(Run(stream_->Writev({"", ""})), IsOk());
  EXPECT_FALSE(stream_->writing());
}

TEST_P(WriteTest, WritevOfManyAndOfLargeParts) {
  std::vector<std::string> parts;
  for (int i = 0; i < 200; ++i) parts.push_back(Pattern(1 + i * i % 7000));
  parts.push_back(Pattern(8 << 20));
  for (int i = 0; i < 200; ++i) parts.push_back(std::string(i % 3, 'x'));
  const std::string all = Joined(parts);
  auto written = Begin(stream_->Writev(parts));
  EXPECT_TRUE(stream_->writing());
  EXPECT_FALSE(written->has_value());
  EXPECT_TRUE(PeerReads(all.size()) == all);
  WaitFor([&] { return written->has_value(); });
  EXPECT_THAT(**written, IsOk());
  EXPECT_FALSE(stream_->writing());
}

Task<> WriteOften(IOStream* stream, int times, bool* done) {
  for (int i = 0; i < times; ++i) {
    absl::Status written = co_await stream->Write("x");
    EXPECT_THAT(written, IsOk());
  }
  *done = true;
}

TEST_P(WriteTest, AWriterThatNeverHasToWaitLeavesTheOthersTheirTurn) {
  constexpr int kTimes = 160;
  bool done = false;
  loop_.Spawn(WriteOften(&*stream_, kTimes, &done));
  EXPECT_FALSE(done);
  int turns = 0;
  while (!done) {
    EXPECT_THAT(Run(Turn()), IsOk());
    ASSERT_LT(++turns, kTimes) << "not one turn for each";
  }
  EXPECT_EQ(PeerReads(kTimes), std::string(kTimes, 'x'));
}

TEST_P(WriteTest, BorrowedOctetsAreWrittenFromTheirPlace) {
  std::string large = Pattern(8 << 20);
  const std::string expected = "head" + large + "tail";
  std::optional<Task<absl::Status>> write;
  {
    const std::string_view parts[] = {"head", large, "tail"};
    write = stream_->WriteBorrowed(parts);
  }
  auto written = Begin(*std::move(write));
  EXPECT_TRUE(stream_->writing());
  EXPECT_TRUE(PeerReads(expected.size()) == expected);
  WaitFor([&] { return written->has_value(); });
  EXPECT_THAT(**written, IsOk());
  // The memory is not looked at any more.
  std::memset(large.data(), 0, large.size());
  EXPECT_THAT(Run(stream_->Write("end")), IsOk());
  EXPECT_EQ(PeerReads(3), "end");
}

// AddressSanitizer sees whoever reads an octet of what is freed here.
TEST_P(WriteTest, BorrowedOctetsMayGoWithTheTask) {
  const std::string text = Pattern(4 << 20);
  auto before = Begin(stream_->Write(text));
  auto octets = std::make_unique<std::string>(text);
  auto more = std::make_unique<std::string>(Pattern(1 << 20));
  const std::string expected = text + *octets + *more + "tail";
  const std::string_view parts[] = {*octets, *more};
  // One is destroyed without having started, one while it waits for what is before it.
  { Task<absl::Status> dropped = stream_->WriteBorrowed({&parts[0], 1}); }
  octets.reset();
  EXPECT_THAT(loop_.RunSync(stream_->WriteBorrowed({&parts[1], 1}), kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  more.reset();
  auto after = Begin(stream_->Write("tail"));
  EXPECT_TRUE(PeerReads(expected.size()) == expected);
  WaitFor([&] { return after->has_value(); });
  EXPECT_THAT(**before, IsOk());
  EXPECT_THAT(**after, IsOk());
}

TEST_P(WriteTest, BorrowedOctetsMayGoWhenHalfOfThemAreWritten) {
  auto octets = std::make_unique<std::string>(Pattern(8 << 20));
  const std::string expected = *octets;
  const std::string_view part = *octets;
  std::optional<Task<absl::Status>> write = stream_->WriteBorrowed({&part, 1});
  std::string received = PeerReads(1 << 20);
  ASSERT_TRUE(stream_->writing());
  write.reset();
  octets.reset();
  received += PeerReads(expected.size() - received.size());
  EXPECT_TRUE(received == expected);
}

TEST_P(WriteTest, BorrowedOctetsOfAStreamThatIsGone) {
  std::string octets(8 << 20, 'x');
  const std::string_view part = octets;
  Task<absl::Status> write = stream_->WriteBorrowed({&part, 1});
  stream_.reset();
  octets = std::string();
  EXPECT_THAT(Run(std::move(write)), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(WriteTest, TheWriteBufferIsFullToTheOctet) {
  Connect({.max_write_buffer_size = 1000});
  Clog();
  auto first = Begin(stream_->Write(std::string(600, 'a')));
  ASSERT_TRUE(stream_->writing());
  EXPECT_THAT(Run(stream_->Write(std::string(401, 'b'))),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("401 octets on top of 600 that wait exceed "
                                 "max_write_buffer_size 1000")));
  EXPECT_THAT(Run(stream_->Writev({std::string(200, 'b'), std::string(201, 'b')})),
              StatusIs(absl::StatusCode::kResourceExhausted));
  auto second = Begin(stream_->Writev({std::string(200, 'c'), std::string(200, 'c')}));
  EXPECT_FALSE(second->has_value());
  EXPECT_THAT(Run(stream_->Write("d")), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_P(WriteTest, CloseWriteComesAfterAllThatIsQueued) {
  const std::string text = Pattern(8 << 20);
  auto written = Begin(stream_->Write(text));
  auto ended = Begin(stream_->CloseWrite());
  EXPECT_FALSE(ended->has_value());
  EXPECT_THAT(Run(stream_->Write("x")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("CloseWrite")));
  IOStream other(std::move(peer_),
                 {.max_buffer_size = 16 << 20, .on_peer_eof = OnPeerEof::kKeepWriting});
  EXPECT_THAT(Run(other.ReadUntilClose()), IsOkAndHolds(testing::Eq(text)));
  WaitFor([&] { return ended->has_value(); });
  EXPECT_THAT(**written, IsOk());
  EXPECT_THAT(**ended, IsOk());
  // Reading goes on.
  EXPECT_FALSE(stream_->closed());
  EXPECT_THAT(Run(other.Write("answer")), IsOk());
  EXPECT_THAT(Run(stream_->ReadBytes(6)), IsOkAndHolds("answer"));
  EXPECT_THAT(Run(stream_->CloseWrite()), IsOk());
  other.Close();
  EXPECT_THAT(Run(stream_->ReadBytes(1)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(stream_->closed());
}

TEST_P(WriteTest, CloseWriteAtOnce) {
  // Not awaited.
  { Task<absl::Status> ended = stream_->CloseWrite(); }
  char octet;
  EXPECT_EQ(::recv(peer_.get(), &octet, 1, 0), 0);
  EXPECT_FALSE(stream_->closed());
  Send("x");
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("x"));
}

TEST_P(WriteTest, CloseWriteAfterThePeersEndClosesTheStream) {
  Connect({.on_peer_eof = OnPeerEof::kKeepWriting});
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  EXPECT_THAT(Run(stream_->ReadBytes(1)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Run(stream_->Write("bye")), IsOk());
  EXPECT_FALSE(stream_->closed());
  EXPECT_THAT(Run(stream_->CloseWrite()), IsOk());
  WaitFor([&] { return closed; });
  EXPECT_EQ(PeerReads(3), "bye");
}

TEST_P(WriteTest, CloseWriteOfAClosedStream) {
  stream_->Close(absl::AbortedError("enough"));
  EXPECT_THAT(Run(stream_->CloseWrite()), StatusIs(absl::StatusCode::kAborted));
}

TEST_P(WriteTest, CloseFailsWhoWaitsForTheEndOfWriting) {
  auto written = Begin(stream_->Write(std::string(8 << 20, 'x')));
  auto ended = Begin(stream_->CloseWrite());
  stream_->Close();
  WaitFor([&] { return ended->has_value(); });
  EXPECT_THAT(**written, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(**ended, StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(WriteTest, AStopReachesAWrite) {
  const std::string text = Pattern(8 << 20);
  std::stop_source stop;
  auto written = Begin(WithStop(stop.get_token(), stream_->Write(text)));
  Run(Turn()).IgnoreError();
  EXPECT_FALSE(written->has_value());
  stop.request_stop();
  WaitFor([&] { return written->has_value(); });
  EXPECT_THAT(**written, StatusIs(absl::StatusCode::kCancelled));
  // What was queued goes on, and the stream is usable.
  EXPECT_FALSE(stream_->closed());
  auto after = Begin(stream_->Write("after"));
  EXPECT_TRUE(PeerReads(text.size() + 5) == text + "after");
  WaitFor([&] { return after->has_value(); });
  EXPECT_THAT(**after, IsOk());
}

// Fails each call with an errno.
class BrokenTransport : public Transport {
 public:
  explicit BrokenTransport(int error_number) : error_number_(error_number) {}
  int fd() const override { return pair_.first.get(); }
  ssize_t Read(char*, size_t) override { return Fail(); }
  ssize_t Write(const iovec*, int) override { return Fail(); }
  int ShutdownWrite() override { return Fail(); }

 private:
  int Fail() {
    errno = error_number_;
    return -1;
  }

  const std::pair<UniqueFd, UniqueFd> pair_ = MakePair(Family::kUnix);
  const int error_number_;
};

struct ErrnoClass {
  int error_number;
  absl::StatusCode code;
};

class ErrnoTest : public testing::TestWithParam<ErrnoClass> {
 protected:
  ~ErrnoTest() override { IOLoop::ClearCurrent(); }
};

INSTANTIATE_TEST_SUITE_P(Classes, ErrnoTest,
                         testing::Values(ErrnoClass{ECONNRESET, absl::StatusCode::kUnavailable},
                                         ErrnoClass{EPIPE, absl::StatusCode::kUnavailable},
                                         ErrnoClass{ECONNABORTED, absl::StatusCode::kUnavailable},
                                         ErrnoClass{EHOSTUNREACH, absl::StatusCode::kUnavailable},
                                         ErrnoClass{ENETUNREACH, absl::StatusCode::kUnavailable},
                                         ErrnoClass{ENETDOWN, absl::StatusCode::kUnavailable},
                                         ErrnoClass{ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
                                         ErrnoClass{ENOBUFS, absl::StatusCode::kResourceExhausted},
                                         ErrnoClass{ENOTCONN,
                                                    absl::StatusCode::kFailedPrecondition},
                                         ErrnoClass{EBADF, absl::StatusCode::kFailedPrecondition}),
                         [](const auto& info) { return strerrorname_np(info.param.error_number); });

TEST_P(ErrnoTest, IsTheStatusOfWhatHasFailedAndOfTheStream) {
  const auto [error_number, code] = GetParam();
  const auto is_that = [&](const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(code));
    EXPECT_EQ(ErrnoFromStatus(status), error_number);
  };
  IOLoop& loop = IOLoop::Current();
  IOStream reader(std::make_unique<BrokenTransport>(error_number));
  is_that(loop.RunSync(reader.ReadBytes(1)).status());
  is_that(reader.close_status());
  EXPECT_TRUE(reader.closed());
  IOStream writer(std::make_unique<BrokenTransport>(error_number));
  is_that(loop.RunSync(writer.Write("x")));
  is_that(writer.close_status());
  IOStream ender(std::make_unique<BrokenTransport>(error_number));
  is_that(loop.RunSync(ender.CloseWrite()));
  is_that(ender.close_status());
}

// For real: the peer takes nothing for longer than TCP_USER_TIMEOUT.
TEST(IOStreamErrorTest, APeerThatDoesNotReadAnyMoreTimesOut) {
  {
    auto [here, there] = MakePair(Family::kTcp);
    const unsigned milliseconds = 50;
    ASSERT_EQ(
        ::setsockopt(here.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds),
        0);
    IOStream stream(std::move(here));
    const absl::Status status =
        IOLoop::Current().RunSync(stream.Write(std::string(32 << 20, 'x')), absl::Seconds(20));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(ErrnoFromStatus(status), ETIMEDOUT);
    EXPECT_TRUE(stream.closed());
  }
  IOLoop::ClearCurrent();
}

}  // namespace
}  // namespace squall
