// Reads that copy nothing: what is peeked stays where it was received as long as anybody looks.
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/gather.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/race.h"
#include "squall/ioloop/task.h"
#include "squall/ioloop/with_timeout.h"

namespace squall {
namespace {

using ::testing::HasSubstr;

class InPlaceTest : public internal::IOStreamTest {
 protected:
  InPlaceTest() {
    auto [here, there] = internal::MakePair(GetParam());
    other_ = std::make_unique<IOStream>(std::move(here));
    other_peer_ = std::move(there);
  }
  ~InPlaceTest() override { other_.reset(); }

  // Another stream of the thread receives, so that nothing of its memory is as it was.
  void OtherReceives() {
    const std::string text(1000, 'o');
    ASSERT_EQ(::send(other_peer_.get(), text.data(), text.size(), MSG_NOSIGNAL), 1000);
    ASSERT_THAT(Run(other_->ReadBytes(1000)), IsOkAndHolds(text));
  }

  std::unique_ptr<IOStream> other_;
  UniqueFd other_peer_;
};

INSTANTIATE_TEST_SUITE_P(Families, InPlaceTest, testing::ValuesIn(internal::kFamilies),
                         internal::FamilyName);

TEST_P(InPlaceTest, AViewOutlivesWhatOthersReceive) {
  Send("abcdef");
  const std::string_view view = Run(stream_->Peek()).value();
  OtherReceives();
  EXPECT_EQ(view, "abcdef");
  OtherReceives();
  EXPECT_EQ(view, "abcdef");
  stream_->Consume(2);
  EXPECT_THAT(Run(stream_->Peek()), IsOkAndHolds("cdef"));
}

TEST_P(InPlaceTest, TwoViewsOutliveEachOther) {
  Send("abcdef");
  const std::string_view view = Run(stream_->Peek()).value();
  ASSERT_EQ(::send(other_peer_.get(), "xyz", 3, 0), 3);
  const std::string_view other_view = Run(other_->Peek()).value();
  EXPECT_EQ(view, "abcdef");
  EXPECT_EQ(other_view, "xyz");
  stream_->Consume(6);
  EXPECT_EQ(other_view, "xyz");
  other_->Consume(3);
  EXPECT_THAT(Run(stream_->Peek(0)), IsOkAndHolds(""));
  EXPECT_THAT(Run(other_->Peek(0)), IsOkAndHolds(""));
}

TEST_P(InPlaceTest, AViewOutlivesTheEndOfItsStream) {
  Send("abcdef");
  const std::string_view view = Run(stream_->Peek()).value();
  stream_->Close();
  OtherReceives();
  EXPECT_EQ(view, "abcdef");
  EXPECT_THAT(Run(stream_->ReadBytes(6)), IsOkAndHolds("abcdef"));
}

TEST_P(InPlaceTest, WhatIsLeftOutlivesWhatOthersReceive) {
  Send("line one\nline two\nline thr");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("line one\n"));
  OtherReceives();
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("line two\n"));
  Send("ee\n");
  EXPECT_THAT(Run(stream_->ReadUntil("\n")), IsOkAndHolds("line three\n"));
}

TEST_P(InPlaceTest, EveryReadGoesOnBehindAPeek) {
  Send("0123456789abcdefghij");
  EXPECT_THAT(Run(stream_->Peek()), IsOkAndHolds("0123456789abcdefghij"));
  EXPECT_THAT(Run(stream_->ReadBytes(3)), IsOkAndHolds("012"));
  std::string memory(4, '\0');
  EXPECT_THAT(Run(stream_->ReadInto(memory)), IsOkAndHolds(4u));
  EXPECT_EQ(memory, "3456");
  EXPECT_THAT(Run(stream_->ReadUntil("a")), IsOkAndHolds("789a"));
  EXPECT_THAT(Run(stream_->Peek(2)), IsOkAndHolds("bcdefghij"));
  stream_->Consume(1);
  EXPECT_THAT(Run(stream_->ReadUntilMatch([](std::string_view octets) -> std::optional<size_t> {
                return octets.size() < 3 ? std::nullopt : std::optional<size_t>(3);
              })),
              IsOkAndHolds("cde"));
  memory.assign(7, '\0');
  Send("xy");
  EXPECT_THAT(Run(stream_->ReadInto(memory)), IsOkAndHolds(7u));
  EXPECT_EQ(memory, "fghijxy");
}

TEST_P(InPlaceTest, AStreamWithAViewMayGo) {
  Send("abcdef");
  EXPECT_THAT(Run(stream_->Peek()), IsOkAndHolds("abcdef"));
  stream_.reset();
  OtherReceives();
}

TEST_P(InPlaceTest, AnOctetUnreadKeepsDetachFromLosingIt) {
  Send("ab");
  EXPECT_THAT(Run(stream_->Peek()), IsOk());
  stream_->Consume(1);
  EXPECT_THAT(stream_->Detach(), StatusIs(absl::StatusCode::kFailedPrecondition));
  stream_->Consume(1);
  EXPECT_THAT(stream_->Detach(), IsOk());
}

// As docs/ioloop.md writes an echo server.
Task<> Echo(IOStream* stream) {
  while (true) {
    absl::StatusOr<std::string_view> octets = co_await stream->Peek();
    if (!octets.ok()) co_return;
    absl::Status written = co_await stream->WriteBorrowed(*octets);
    if (!written.ok()) co_return;
    stream->Consume(octets->size());
  }
}

// More than the sockets hold: writes wait while others receive.
TEST_P(InPlaceTest, EchoesOfManyStreamsStayApart) {
  constexpr size_t kStreams = 8;
  constexpr size_t kSize = 4 << 20;
  std::vector<std::unique_ptr<IOStream>> servers;
  std::vector<std::unique_ptr<IOStream>> clients;
  std::vector<Task<absl::StatusOr<std::string>>> answers;
  std::vector<Task<absl::Status>> writes;
  for (size_t i = 0; i < kStreams; ++i) {
    auto [here, there] = internal::MakePair(GetParam());
    servers.push_back(std::make_unique<IOStream>(std::move(here)));
    clients.push_back(std::make_unique<IOStream>(std::move(there),
                                                 IOStreamOptions{.max_buffer_size = 2 * kSize}));
    loop_.Spawn(Echo(servers.back().get()));
    std::string text = internal::Pattern(kSize);
    text[0] = static_cast<char>('a' + i);
    writes.push_back(clients[i]->Write(text));
    answers.push_back(clients[i]->ReadBytes(kSize));
  }
  auto got = Run(Gather(std::move(answers)));
  ASSERT_THAT(got, IsOk());
  for (size_t i = 0; i < kStreams; ++i) {
    std::string text = internal::Pattern(kSize);
    text[0] = static_cast<char>('a' + i);
    ASSERT_THAT((*got)[i], IsOk());
    EXPECT_TRUE(*(*got)[i] == text) << i;
  }
}

TEST_P(InPlaceTest, ReadsGoWhereTasksGo) {
  Send("abcdefgh");
  auto timed = WithTimeout(absl::Seconds(10), stream_->ReadBytes(2));
  EXPECT_THAT(Run(std::move(timed)), IsOkAndHolds("ab"));
  auto raced = Run(Race(stream_->ReadBytes(2), other_->ReadBytes(1)));
  ASSERT_THAT(raced, IsOk());
  EXPECT_THAT(std::get<0>(*raced), IsOkAndHolds("cd"));
  ASSERT_EQ(::send(other_peer_.get(), "x", 1, 0), 1);
  auto both = Run(Gather(stream_->ReadUntil("f"), other_->ReadBytes(1)));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT(std::get<0>(*both), IsOkAndHolds("ef"));
  EXPECT_THAT(std::get<1>(*both), IsOkAndHolds("x"));
  Task<absl::StatusOr<std::string>> kept = stream_->ReadBytes(1);
  auto lazy = stream_->ReadBytes(1);
  EXPECT_THAT(Run(std::move(lazy)), IsOkAndHolds("g"));
  EXPECT_THAT(Run(std::move(kept)), IsOkAndHolds("h"));
}

TEST_P(InPlaceTest, ASecondReadIsRefusedAndHarmless) {
  absl::StatusOr<std::string> first = absl::UnknownError("pending");
  loop_.Spawn([](IOStream* stream, absl::StatusOr<std::string>* first) -> Task<> {
    *first = co_await stream->ReadBytes(3);
  }(stream_.get(), &first));
  EXPECT_THAT(Run(stream_->ReadBytes(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("Already reading")));
  EXPECT_TRUE(stream_->reading());
  Send("abc");
  WaitFor([&] { return first.ok(); });
  EXPECT_THAT(first, IsOkAndHolds("abc"));
}

TEST_P(InPlaceTest, AReadMayOutliveItsStream) {
  auto never_awaited = stream_->ReadBytes(1);
  auto awaited = stream_->ReadBytes(1);
  absl::StatusOr<std::string> waiting = absl::UnknownError("pending");
  loop_.Spawn([](IOStream* stream, absl::StatusOr<std::string>* waiting) -> Task<> {
    *waiting = co_await stream->ReadBytes(3);
  }(stream_.get(), &waiting));
  stream_.reset();
  WaitFor([&] { return !absl::IsUnknown(waiting.status()); });
  EXPECT_THAT(waiting, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Run(std::move(awaited)), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace squall
