// Reads, writes, their limits and fairness. How streams end: iostream_close_test.cc.
#include "squall/ioloop/iostream.h"

#include <sys/socket.h>

#include <algorithm>
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
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/transport.h"

namespace squall {
namespace {

using internal::Family;
using internal::IOStreamTest;
using internal::MakePair;
using internal::Pattern;
using internal::ReadLines;
using internal::WriteAll;
using testing::ElementsAre;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Families, IOStreamTest, testing::ValuesIn(internal::kFamilies),
                         internal::FamilyName);

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
