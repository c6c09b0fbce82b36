// What IOStream makes of transports that hold octets back from epoll and that write to read. Over
// TLS both happen by chance; here they are caused.
#include "squall/ioloop/transport.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"
#include "squall/ioloop/ioloop.h"
#include "squall/ioloop/iostream.h"
#include "squall/ioloop/iostream_fixture.h"
#include "squall/ioloop/sleep.h"
#include "squall/ioloop/task.h"

namespace squall {
namespace {

using internal::Family;
using internal::MakePair;
using internal::Pattern;

constexpr absl::Duration kDeadline = absl::Seconds(20);

// Takes all that the socket has and gives it out in single octets.
class ReadAheadTransport : public Transport {
 public:
  explicit ReadAheadTransport(UniqueFd socket) : plain_(MakePlainTransport(std::move(socket))) {}

  int fd() const override { return plain_->fd(); }
  ssize_t Read(char* data, size_t size) override {
    if (ahead_.empty()) {
      const ssize_t got = ReadAhead();
      if (got <= 0) return got;
    }
    *data = ahead_.front();
    ahead_.erase(0, 1);
    return 1;
  }
  // Takes what the socket has, too, as the end of a handshake does.
  ssize_t Write(const iovec* buffers, int count) override {
    ReadAhead();
    return plain_->Write(buffers, count);
  }
  int ShutdownWrite() override { return plain_->ShutdownWrite(); }
  bool HasBufferedInput() const override { return !ahead_.empty(); }

 private:
  ssize_t ReadAhead() {
    char buffer[4096];
    const ssize_t got = plain_->Read(buffer, sizeof buffer);
    if (got > 0) ahead_.append(buffer, got);
    return got;
  }

  std::unique_ptr<Transport> plain_;
  std::string ahead_;
};

// Asks to wait for room before the first read, and for input before the first write.
class CrossedTransport : public Transport {
 public:
  // Counts the reads in `reads`, which must outlive it.
  CrossedTransport(UniqueFd socket, int* reads)
      : plain_(MakePlainTransport(std::move(socket))), reads_(reads) {}

  int fd() const override { return plain_->fd(); }
  ssize_t Read(char* data, size_t size) override {
    if ((*reads_)++ == 0) {
      errno = EAGAIN;
      read_events_ = EPOLLOUT;
      return -1;
    }
    read_events_ = EPOLLIN;
    return plain_->Read(data, size);
  }
  ssize_t Write(const iovec* buffers, int count) override {
    if (std::exchange(first_write_, false)) {
      errno = EAGAIN;
      write_events_ = EPOLLIN;
      return -1;
    }
    write_events_ = EPOLLOUT;
    return plain_->Write(buffers, count);
  }
  int ShutdownWrite() override { return plain_->ShutdownWrite(); }
  uint32_t read_events() const override { return read_events_; }
  uint32_t write_events() const override { return write_events_; }

 private:
  std::unique_ptr<Transport> plain_;
  int* const reads_;
  bool first_write_ = true;
  uint32_t read_events_ = EPOLLIN;
  uint32_t write_events_ = EPOLLOUT;
};

// Writes nothing before a read has got something.
class ReadFirstTransport : public Transport {
 public:
  explicit ReadFirstTransport(UniqueFd socket) : plain_(MakePlainTransport(std::move(socket))) {}

  int fd() const override { return plain_->fd(); }
  ssize_t Read(char* data, size_t size) override {
    const ssize_t got = plain_->Read(data, size);
    if (got > 0) write_events_ = EPOLLOUT;
    return got;
  }
  ssize_t Write(const iovec* buffers, int count) override {
    if (write_events_ == EPOLLOUT) return plain_->Write(buffers, count);
    errno = EAGAIN;
    return -1;
  }
  int ShutdownWrite() override { return plain_->ShutdownWrite(); }
  uint32_t write_events() const override { return write_events_; }

 private:
  std::unique_ptr<Transport> plain_;
  uint32_t write_events_ = EPOLLIN;
};

class TransportTest : public testing::Test {
 protected:
  ~TransportTest() override { IOLoop::ClearCurrent(); }

  void Send(const std::string& text) {
    ASSERT_EQ(::send(there_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  IOLoop& loop_ = IOLoop::Current();
  std::pair<UniqueFd, UniqueFd> pair_ = MakePair(Family::kTcp);
  UniqueFd here_ = std::move(pair_.first);
  UniqueFd there_ = std::move(pair_.second);
};

TEST_F(TransportTest, OctetsThatLeftTheDescriptorNeedNoEvent) {
  IOStream stream(std::make_unique<ReadAheadTransport>(std::move(here_)));
  const std::string text = Pattern(1000);
  Send(text);
  // One read more than a stream makes before the others have their turn, and many more.
  EXPECT_THAT(loop_.RunSync(stream.ReadBytes(17), kDeadline), IsOkAndHolds(text.substr(0, 17)));
  EXPECT_THAT(loop_.RunSync(stream.ReadBytes(983), kDeadline), IsOkAndHolds(text.substr(17)));
}

Task<> ReadWord(IOStream* stream, std::optional<absl::StatusOr<std::string>>* word) {
  absl::StatusOr<std::string> read = co_await stream->ReadBytes(4);
  *word = std::move(read);
}

Task<> Turns(int count) {
  while (count-- > 0) co_await Sleep(absl::ZeroDuration());
}

Task<> WaitFor(const std::optional<absl::StatusOr<std::string>>* word) {
  while (!word->has_value()) co_await Sleep(absl::ZeroDuration());
}

TEST_F(TransportTest, AWriteMayTakeWhatAReaderWaitsFor) {
  IOStream stream(std::make_unique<ReadAheadTransport>(std::move(here_)));
  std::optional<absl::StatusOr<std::string>> word;
  loop_.Spawn(ReadWord(&stream, &word));
  EXPECT_TRUE(loop_.RunSync(Turns(3), kDeadline).ok());
  Send("word");
  // Before epoll tells of it.
  EXPECT_TRUE(loop_.RunSync(stream.Write("x"), kDeadline).ok());
  EXPECT_TRUE(loop_.RunSync(WaitFor(&word), kDeadline).ok());
  EXPECT_THAT(word.value_or(absl::UnknownError("none")), IsOkAndHolds("word"));
}

TEST_F(TransportTest, AReadThatNeedNotWaitMayChangeWhatAWriteWaitsFor) {
  IOStream stream(std::make_unique<ReadFirstTransport>(std::move(here_)));
  Task<absl::Status> written = stream.Write("x");
  EXPECT_TRUE(loop_.RunSync(Turns(3), kDeadline).ok());
  Send("word");
  // Before epoll tells of it.
  EXPECT_THAT(loop_.RunSync(stream.ReadBytes(4), kDeadline), IsOkAndHolds("word"));
  EXPECT_TRUE(loop_.RunSync(std::move(written), kDeadline).ok());
}

UniqueFd FileOf(size_t size) {
  std::string path = std::string(std::getenv("TEST_TMPDIR")) + "/file.XXXXXX";
  UniqueFd file(::mkstemp(path.data()));
  EXPECT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
  return file;
}

// With the default disposition of SIGPIPE, which ends the process.
TEST_F(TransportTest, SendFileToAPeerThatHasGoneIsAnError) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const std::unique_ptr<Transport> transport = MakePlainTransport(UniqueFd(ends[0]));
  const UniqueFd file = FileOf(1 << 20);
  ::close(ends[1]);
  EXPECT_EQ(transport->SendFile(nullptr, 0, file.get(), 0, 1 << 20), -1);
  EXPECT_EQ(errno, EPIPE);
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
}

TEST_F(TransportTest, SendFileDoesNotWaitOnABlockingSocket) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd peer(ends[1]);
  const std::unique_ptr<Transport> transport = MakePlainTransport(UniqueFd(ends[0]));
  const UniqueFd file = FileOf(16 << 20);
  EXPECT_EQ(transport->SendFile(nullptr, 0, file.get(), 0, 16 << 20), -1);
  EXPECT_EQ(errno, ENOTSUP);
}

TEST_F(TransportTest, AReadMayWaitForRoom) {
  int reads = 0;
  IOStream stream(std::make_unique<CrossedTransport>(std::move(here_), &reads));
  std::optional<absl::StatusOr<std::string>> word;
  loop_.Spawn(ReadWord(&stream, &word));
  EXPECT_EQ(reads, 1);
  // There is room at once, and no input for a long time: it is not input that the read waits for.
  EXPECT_THAT(loop_.RunSync(Turns(3)), IsOk());
  EXPECT_EQ(reads, 2);
  Send("word");
  EXPECT_THAT(loop_.RunSync(WaitFor(&word), kDeadline), IsOk());
  ASSERT_TRUE(word.has_value());
  EXPECT_THAT(*word, IsOkAndHolds("word"));
}

TEST_F(TransportTest, AWriteMayWaitForInput) {
  int reads = 0;
  IOStream stream(std::make_unique<CrossedTransport>(std::move(here_), &reads));
  Task<absl::Status> written = stream.Write("word");
  // There is room, but that is not what it waits for.
  EXPECT_THAT(loop_.RunSync(Turns(3)), IsOk());
  EXPECT_TRUE(stream.writing());
  Send("go");
  EXPECT_THAT(loop_.RunSync(std::move(written), kDeadline), IsOk());
  char received[5] = {};
  EXPECT_EQ(::recv(there_.get(), received, sizeof received, MSG_DONTWAIT), 4);
  EXPECT_STREQ(received, "word");
  EXPECT_THAT(loop_.RunSync(stream.ReadBytes(2), kDeadline), IsOkAndHolds("go"));
}

}  // namespace
}  // namespace squall
