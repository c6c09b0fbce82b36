// Reads into memory of the user, in place, and up to what a function or a pattern says; and what
// becomes of a read that is stopped.
#include <sys/socket.h>

#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"
#include "squall/base/status_matchers.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/read_until_regex.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_stop.h"

namespace squall {
namespace {

using internal::IOStreamTest;
using internal::Pattern;
using internal::WriteAll;
using testing::AllOf;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Families, IOStreamTest, testing::ValuesIn(internal::kFamilies),
                         internal::FamilyName);

constexpr absl::Duration kShort = absl::Milliseconds(2);

TEST_P(IOStreamTest, ReadIntoIsNotLimitedByTheBuffer) {
  Connect({.max_buffer_size = 16});
  const std::string text = Pattern(1 << 20);
  IOStream other(std::move(peer_));
  absl::Status written;
  loop_.Spawn(WriteAll(&other, text, &written));
  std::string memory(text.size(), '\0');
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOk());
  EXPECT_THAT(Run(stream_->ReadInto(std::span(memory).subspan(1))), IsOkAndHolds(text.size() - 1));
  EXPECT_TRUE(memory.substr(1) == text.substr(1));
}

TEST_P(IOStreamTest, AReadIntoThatIsDestroyedLosesNothing) {
  std::string memory(10, '\0');
  Send("1234");
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("1"));
  // "234" waits in the stream, "56" comes into the memory.
  Send("56");
  EXPECT_THAT(loop_.RunSync(stream_->ReadInto(memory), kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_FALSE(stream_->reading());
  memory.assign(10, 'x');
  Send("7");
  EXPECT_THAT(Run(stream_->ReadBytes(6)), IsOkAndHolds("234567"));
}

TEST_P(IOStreamTest, AReadIntoThatFailsLosesNothing) {
  std::string memory(10, '\0');
  Send("12345");
  peer_.reset();
  EXPECT_THAT(Run(stream_->ReadInto(memory)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(stream_->closed());
  EXPECT_THAT(Run(stream_->ReadInto(memory, ReadMode::kPartial)), IsOkAndHolds(5u));
  EXPECT_EQ(memory.substr(0, 5), "12345");
}

// The peer's last words come into the buffer behind what is in the memory already.
TEST_P(IOStreamTest, AReadIntoKeepsItsOrderWhenAWriteFails) {
  std::string memory(100, '\0');
  absl::Status written = absl::UnknownError("pending");
  loop_.Spawn(WriteAll(stream_.get(), std::string(8 << 20, 'x'), &written));
  Task<absl::StatusOr<size_t>> read = stream_->ReadInto(memory);
  std::optional<absl::Status> end;
  loop_.Spawn([](Task<absl::StatusOr<size_t>> read, std::optional<absl::Status>* end) -> Task<> {
    absl::StatusOr<size_t> size = co_await std::move(read);
    *end = size.status();
  }(std::move(read), &end));
  Send("first ");
  Run(Turn()).IgnoreError();
  Send("last");
  peer_.reset();
  WaitFor([&] { return end.has_value(); });
  EXPECT_THAT(*end, StatusIs(absl::StatusCode::kUnavailable));
  if (GetParam() == internal::Family::kTcp) return;  // A reset takes the last words with it.
  EXPECT_THAT(Run(stream_->ReadBytes(10)), IsOkAndHolds("first last"));
}

TEST_P(IOStreamTest, PeekShowsAndConsumeTakes) {
  Send("abcdef");
  EXPECT_THAT(Run(stream_->Peek()), IsOkAndHolds("abcdef"));
  EXPECT_THAT(Run(stream_->Peek(3)), IsOkAndHolds("abcdef"));
  stream_->Consume(2);
  EXPECT_THAT(Run(stream_->Peek(0)), IsOkAndHolds("cdef"));
  Send("gh");
  EXPECT_THAT(Run(stream_->Peek(5)), IsOkAndHolds("cdefgh"));
  stream_->Consume(6);
  EXPECT_THAT(Run(stream_->Peek(0)), IsOkAndHolds(""));
}

TEST_P(IOStreamTest, PeekPointsAtTheSameOctetsAgain) {
  Send("abcdef");
  const char* const first = Run(stream_->Peek()).value().data();
  EXPECT_EQ(Run(stream_->Peek()).value().data(), first);
}

TEST_P(IOStreamTest, APeekedViewOutlivesWhatComesUninvited) {
  stream_->SetCloseCallback([] {});
  Send("abcdef");
  const std::string_view view = Run(stream_->Peek()).value();
  // The peer's end has the stream receive the rest while nobody reads.
  const std::string rest(100'000, 'x');
  Send(rest);
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  for (int i = 0; i < 5; ++i) Run(Turn()).IgnoreError();
  EXPECT_EQ(view, "abcdef");
  EXPECT_THAT(Run(stream_->ReadBytes(rest.size() + 6)), IsOkAndHolds("abcdef" + rest));
}

TEST_P(IOStreamTest, APeekedViewOfFewOctetsOutlivesWhatComesUninvited) {
  stream_->SetCloseCallback([] {});
  const std::string text = "0123456789012345678";
  Send(text + "abc");
  ASSERT_TRUE(Run(stream_->Peek(text.size() + 3)).ok());
  stream_->Consume(text.size());
  ASSERT_THAT(Run(stream_->Peek()), IsOkAndHolds("abc"));
  // Has the few octets move, which were shown before.
  Send("de");
  const std::string_view view = Run(stream_->Peek(5)).value();
  Send(std::string(100'000, 'x'));
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  for (int i = 0; i < 5; ++i) Run(Turn()).IgnoreError();
  EXPECT_EQ(view, "abcde");
}

TEST_P(IOStreamTest, AMatchMayCloseTheStream) {
  Send("x\nBAD");
  ASSERT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("x\n"));
  auto close = [&](std::string_view) -> std::optional<size_t> {
    stream_->Close();
    return std::nullopt;
  };
  EXPECT_THAT(Run(stream_->ReadUntilMatch(close)), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(stream_->closed());
}

TEST_P(IOStreamTest, PeekAtTheEnd) {
  Send("abc");
  ASSERT_EQ(::shutdown(peer_.get(), SHUT_WR), 0);
  EXPECT_THAT(Run(stream_->Peek(4)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Run(stream_->Peek(3)), IsOkAndHolds("abc"));
  stream_->Consume(3);
  EXPECT_THAT(Run(stream_->Peek()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(IOStreamTest, PeekAboveTheBufferIsRefusedAndHarmless) {
  Connect({.max_buffer_size = 16});
  Send("0123456789abcdef");
  EXPECT_THAT(Run(stream_->Peek(17)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("max_buffer_size 16")));
  EXPECT_THAT(Run(stream_->Peek(16)), IsOkAndHolds("0123456789abcdef"));
}

TEST_P(IOStreamTest, ConsumingTheLastOctetBeforeTheEndClosesTheStream) {
  bool closed = false;
  stream_->SetCloseCallback([&closed] { closed = true; });
  Send("abc");
  peer_.reset();
  EXPECT_THAT(Run(stream_->Peek(3)), IsOk());
  for (int i = 0; i < 5; ++i) Run(Turn()).IgnoreError();
  stream_->Consume(2);
  Run(Turn()).IgnoreError();
  EXPECT_FALSE(closed);
  stream_->Consume(1);
  WaitFor([&] { return closed; });
}

TEST_P(IOStreamTest, ConsumingMoreThanThereIsAborts) {
  Send("abc");
  EXPECT_THAT(Run(stream_->Peek(3)), IsOk());
  EXPECT_DEATH(stream_->Consume(4), "more than Peek has shown");
}

// A frame: one octet that says how many follow.
std::optional<size_t> EndOfFrame(std::string_view octets) {
  if (octets.empty()) return std::nullopt;
  const size_t size = 1 + static_cast<unsigned char>(octets[0]);
  return octets.size() < size ? std::nullopt : std::optional(size);
}

TEST_P(IOStreamTest, ReadUntilMatch) {
  Send(std::string("\x03") + "abc" + std::string("\x00", 1) + "\x05" + "he");
  EXPECT_THAT(Run(stream_->ReadUntilMatch(EndOfFrame)), IsOkAndHolds("\x03"
                                                                     "abc"));
  EXPECT_THAT(Run(stream_->ReadUntilMatch(EndOfFrame)), IsOkAndHolds(std::string(1, '\0')));
  EXPECT_THAT(loop_.RunSync(stream_->ReadUntilMatch(EndOfFrame), kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  Send("llo!");
  EXPECT_THAT(Run(stream_->ReadUntilMatch(EndOfFrame, 6)), IsOkAndHolds("\x05"
                                                                        "hello"));
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("!"));
}

TEST_P(IOStreamTest, WhatAMatcherThrowsComesOutOfTheRead) {
  Send("abc");
  EXPECT_THROW(
      (void)Run(stream_->ReadUntilMatch([](std::string_view octets) -> std::optional<size_t> {
        if (octets.size() < 3) return std::nullopt;
        throw std::runtime_error("no");
      })),
      std::runtime_error);
  EXPECT_THAT(Run(stream_->ReadBytes(3)), IsOkAndHolds("abc"));
}

// Of octets that come at once, each is looked at a few times only.
TEST_P(IOStreamTest, AMatcherLooksAgainWhenTheOctetsHaveDoubled) {
  Connect({.max_buffer_size = 8 << 20, .read_chunk_size = 512});
  size_t looked_at = 0;
  size_t looks = 0;
  const std::string text = std::string(40'000, 'x') + "!";
  Send(text);
  EXPECT_THAT(Run(stream_->ReadUntilMatch([&](std::string_view octets) -> std::optional<size_t> {
                ++looks;
                looked_at += octets.size();
                return octets.back() == '!' ? std::optional(octets.size()) : std::nullopt;
              })),
              IsOkAndHolds(text));
  // 80 pieces; at most 16 of them before the others have their turn.
  EXPECT_LT(looks, 40u);
  EXPECT_LT(looked_at, 10 * text.size());
}

TEST_P(IOStreamTest, ReadUntilRegex) {
  Send("GET / HTTP/1.0\r\nHost: a\n\r\nrest");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "\r?\n\r?\n")),
              IsOkAndHolds("GET / HTTP/1.0\r\nHost: a\n\r\n"));
  const re2::RE2 word("\\w+");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, &word)), IsOkAndHolds("rest"));
}

// Each piece may be the last one, and so all is searched each time: up to the limit.
TEST_P(IOStreamTest, APeerThatDripsIsBounded) {
  constexpr size_t kPiece = 1024;
  Connect({.max_buffer_size = 8 << 20});
  size_t looks = 0;
  size_t looked_at = 0;
  std::optional<absl::StatusOr<std::string>> got;
  const auto read = [](Task<absl::StatusOr<std::string>> text,
                       std::optional<absl::StatusOr<std::string>>* got) -> Task<> {
    absl::StatusOr<std::string> result = co_await std::move(text);
    *got = std::move(result);
  };
  loop_.Spawn(read(stream_->ReadUntilMatch(
                       [&](std::string_view octets) -> std::optional<size_t> {
                         ++looks;
                         looked_at += octets.size();
                         return std::nullopt;
                       },
                       kMaxRegexBytes),
                   &got));
  size_t pieces = 0;
  for (; !got.has_value() && pieces < 1000; ++pieces) {
    Send(std::string(kPiece, 'x'));
    WaitFor([&] { return got.has_value() || looks > pieces; });
  }
  EXPECT_EQ(pieces, kMaxRegexBytes / kPiece + 1);
  EXPECT_LE(looked_at, pieces * kMaxRegexBytes);
  ASSERT_TRUE(got.has_value());
  EXPECT_THAT(*got, StatusIs(absl::StatusCode::kOutOfRange, "no match within 65536 octets"));
}

TEST_P(IOStreamTest, APatternIsSearchedForInSoMuch) {
  Connect({.max_buffer_size = 8 << 20});
  Send(std::string(kMaxRegexBytes - 1, 'x') + "!");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "!")), IsOk());
  Send(std::string(kMaxRegexBytes, 'x') + "!");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "!")),
              StatusIs(absl::StatusCode::kOutOfRange, "no match within 65536 octets"));
  Connect({.max_buffer_size = 8 << 20});
  Send(std::string(kMaxRegexBytes, 'x') + "!");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "!", IOStream::kUnlimited)), IsOk());
  Connect({.max_buffer_size = 8 << 20});
  const re2::RE2 mark("!");
  Send(std::string(kMaxRegexBytes, 'x') + "!");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, &mark)),
              StatusIs(absl::StatusCode::kOutOfRange, "no match within 65536 octets"));
}

TEST_P(IOStreamTest, APatternMatchesOctets) {
  Send("\xff\xfe\x80.");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "\xff.[\x80-\x81]")),
              IsOkAndHolds("\xff\xfe\x80"));
}

TEST_P(IOStreamTest, AMatchMayComeInPieces) {
  std::optional<absl::StatusOr<std::string>> got;
  loop_.Spawn([](IOStream* stream, std::optional<absl::StatusOr<std::string>>* got) -> Task<> {
    absl::StatusOr<std::string> text = co_await squall::ReadUntilRegex(*stream, "end[.!]");
    *got = std::move(text);
  }(stream_.get(), &got));
  for (const char* piece : {"the e", "n", "d", ", the end", "!..."}) {
    EXPECT_FALSE(got.has_value()) << piece;
    Send(piece);
    Run(Turn()).IgnoreError();
  }
  WaitFor([&] { return got.has_value(); });
  EXPECT_THAT(*got, IsOkAndHolds("the end, the end!"));
}

TEST_P(IOStreamTest, AWrongPatternIsRefusedAndHarmless) {
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "a(b")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"a(b\""), HasSubstr("missing )"))));
  Send("x");
  EXPECT_THAT(Run(stream_->ReadBytes(1)), IsOkAndHolds("x"));
}

// The buffer is full before the octets have doubled since the last look.
TEST_P(IOStreamTest, AMatchThatFillsTheBufferIsFound) {
  Connect({.max_buffer_size = 100, .read_chunk_size = 30});
  const std::string text = std::string(99, 'x') + "!";
  Send(text);
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "!")), IsOkAndHolds(text));
  Send(std::string(100, 'x') + "!");
  EXPECT_THAT(Run(squall::ReadUntilRegex(*stream_, "!")),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// Every form of read, stopped while it waits, leaves the stream as it is.
TEST_P(IOStreamTest, AStopReachesEveryRead) {
  std::string memory(100, '\0');
  int stopped = 0;
  const auto stop = [&](auto make_read) {
    std::stop_source source;
    std::optional<absl::StatusCode> code;
    loop_.Spawn(
        [](auto read, std::stop_token token, std::optional<absl::StatusCode>* code) -> Task<> {
          auto result = co_await WithStop(std::move(token), std::move(read));
          *code = result.status().code();
        }(make_read(), source.get_token(), &code));
    Send("x");
    Run(Turn()).IgnoreError();
    EXPECT_TRUE(stream_->reading());
    EXPECT_FALSE(code.has_value());
    source.request_stop();
    WaitFor([&] { return code.has_value(); });
    EXPECT_EQ(*code, absl::StatusCode::kCancelled);
    EXPECT_FALSE(stream_->reading());
    ++stopped;
  };
  stop([&] { return stream_->ReadUntil("\n"); });
  stop([&] { return stream_->ReadBytes(50); });
  stop([&] { return stream_->ReadInto(memory); });
  stop([&] { return stream_->Peek(50); });
  stop([&] { return stream_->ReadUntilClose(); });
  stop([&] { return squall::ReadUntilRegex(*stream_, "\n"); });
  EXPECT_THAT(Run(stream_->ReadBytes(stopped)), IsOkAndHolds(std::string(6, 'x')));
}

}  // namespace
}  // namespace squall
