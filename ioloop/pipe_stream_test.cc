#include "squall/ioloop/pipe_stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/clock.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

class PipeStreamTest : public testing::Test {
 protected:
  PipeStreamTest() { Connect(); }
  ~PipeStreamTest() override {
    reader_.reset();
    writer_.reset();
    IOLoop::ClearCurrent();
  }

  // A new pipe with a stream on both ends.
  void Connect(IOStreamOptions options = {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_.emplace(UniqueFd(ends[0]), options);
    writer_.emplace(UniqueFd(ends[1]), options);
  }

  template <TaskLike T>
  auto Run(T task) {
    return loop_.RunSync(std::move(task), absl::Seconds(20));
  }

  // Turns the loop until `condition` holds, or fails.
  template <typename Condition>
  void WaitFor(Condition condition) {
    const MonotonicTime give_up = Clock::Real().Now() + absl::Seconds(20);
    while (!condition()) {
      ASSERT_LT(Clock::Real().Now(), give_up);
      ASSERT_THAT(Run(Turn()), IsOk());
    }
  }
  static Task<> Turn() { co_await Sleep(absl::Milliseconds(1)); }

  IOLoop& loop_ = IOLoop::Current();
  std::optional<PipeStream> reader_;
  std::optional<PipeStream> writer_;
};

Task<> WriteAndClose(PipeStream* stream, std::string text) {
  const absl::Status written = co_await stream->Write(std::move(text));
  EXPECT_THAT(written, IsOk());
  stream->Close();
}

TEST_F(PipeStreamTest, test_pipe_iostream) {
  EXPECT_THAT(Run(writer_->Write("hel")), IsOk());
  EXPECT_THAT(Run(writer_->Write("lo world")), IsOk());
  EXPECT_THAT(Run(reader_->ReadUntil(" ")), IsOkAndHolds("hello "));
  EXPECT_THAT(Run(reader_->ReadBytes(3)), IsOkAndHolds("wor"));
  writer_->Close();
  EXPECT_THAT(Run(reader_->ReadUntilClose()), IsOkAndHolds("ld"));
  EXPECT_TRUE(reader_->closed());
}

TEST_F(PipeStreamTest, test_pipe_iostream_big_write) {
  Connect({.max_buffer_size = 4 << 20});
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += std::to_string(i);
  loop_.Spawn(WriteAndClose(&*writer_, text));
  EXPECT_THAT(Run(reader_->ReadUntilClose()), IsOkAndHolds(text));
}

TEST_F(PipeStreamTest, AReaderThatComesLateGetsAllThatWasWrittenBeforeTheEnd) {
  Connect({.max_buffer_size = 4096});
  bool closed = false;
  reader_->SetCloseCallback([&closed] { closed = true; });
  const std::string text(40'960, 'x');
  EXPECT_THAT(Run(writer_->Write(text)), IsOk());
  writer_->Close();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Run(Turn()), IsOk());
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(closed);
    EXPECT_THAT(Run(reader_->ReadBytes(4096)), IsOkAndHolds(testing::SizeIs(4096))) << i;
  }
  WaitFor([&] { return closed; });
}

TEST_F(PipeStreamTest, AnIdleWriterNoticesThatTheReaderLeft) {
  bool closed = false;
  writer_->SetCloseCallback([&closed] { closed = true; });
  EXPECT_THAT(Run(Turn()), IsOk());
  EXPECT_FALSE(closed);
  reader_->Close();
  WaitFor([&] { return closed; });
  EXPECT_THAT(writer_->close_status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PipeStreamTest, AWriterWithAFullPipeNoticesThatTheReaderLeft) {
  absl::Status status;
  loop_.Spawn([](PipeStream* writer, absl::Status* status) -> Task<> {
    *status = co_await writer->Write(std::string(1 << 20, 'x'));
  }(&*writer_, &status));
  EXPECT_THAT(Run(Turn()), IsOk());
  EXPECT_TRUE(writer_->writing());
  reader_->Close();
  WaitFor([&] { return !status.ok(); });
  EXPECT_TRUE(writer_->closed());
}

TEST_F(PipeStreamTest, WritingToNobodyIsAnErrorAndNoSignal) {
  ASSERT_EQ(::signal(SIGPIPE, SIG_DFL), SIG_DFL);  // It would end this test.
  reader_->Close();
  const absl::Status status = Run(writer_->Write("x"));
  EXPECT_EQ(ErrnoFromStatus(status), EPIPE);
  sigset_t mask;
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_EQ(::sigismember(&mask, SIGPIPE), 0);
}

TEST_F(PipeStreamTest, ASigpipeThatTheProgramWaitsForStaysPending) {
  sigset_t sigpipe;
  ::sigemptyset(&sigpipe);
  ::sigaddset(&sigpipe, SIGPIPE);
  sigset_t before;
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &sigpipe, &before), 0);
  reader_->Close();
  // One of the pipe's own leaves no trace,
  EXPECT_EQ(ErrnoFromStatus(Run(writer_->Write("x"))), EPIPE);
  const timespec at_once = {};
  EXPECT_EQ(::sigtimedwait(&sigpipe, nullptr, &at_once), -1);
  // one of the program's stays.
  Connect();
  reader_->Close();
  ASSERT_EQ(::raise(SIGPIPE), 0);
  EXPECT_EQ(ErrnoFromStatus(Run(writer_->Write("x"))), EPIPE);
  EXPECT_EQ(::sigtimedwait(&sigpipe, nullptr, &at_once), SIGPIPE);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(PipeStreamTest, TheWrongDirectionClosesTheStream) {
  EXPECT_THAT(Run(writer_->ReadBytes(1)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(writer_->closed());
  Connect();
  EXPECT_EQ(ErrnoFromStatus(Run(reader_->Write("x"))), EBADF);
  EXPECT_TRUE(reader_->closed());
}

TEST_F(PipeStreamTest, Moves) {
  PipeStream moved = *std::move(reader_);
  EXPECT_THAT(Run(writer_->Write("x\n")), IsOk());
  EXPECT_THAT(Run(moved.ReadUntil("\n")), IsOkAndHolds("x\n"));
}

}  // namespace
}  // namespace squall
