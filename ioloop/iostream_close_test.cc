// How streams end: by the peer, by Close, by their destruction.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
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

namespace squall {
namespace {

using internal::Family;
using internal::IOStreamTest;
using internal::MakePair;
using internal::Pattern;
using internal::ReadLines;
using internal::WriteAll;
using testing::AnyOf;
using testing::ElementsAre;
using testing::SizeIs;

INSTANTIATE_TEST_SUITE_P(Families, IOStreamTest, testing::ValuesIn(internal::kFamilies),
                         internal::FamilyName);

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

TEST_P(IOStreamTest, WhatDidNotFitIntoTheBufferIsReadAfterThePeerLeft) {
  Connect({.max_buffer_size = 4096});
  stream_->SetCloseCallback([] {});
  Send(std::string(10 * 4096, 'x'));
  peer_.reset();
  for (int i = 0; i < 3; ++i) Run(Turn()).IgnoreError();
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Run(stream_->ReadBytes(4096)), IsOkAndHolds(SizeIs(4096))) << i;
  }
  WaitFor([&] { return stream_->closed(); });
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

}  // namespace
}  // namespace squall
