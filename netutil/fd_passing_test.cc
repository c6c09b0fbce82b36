#include "squall/netutil/fd_passing.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "squall/base/status.h"
#include "squall/base/status_matchers.h"
#include "squall/base/unique_fd.h"

namespace squall {
namespace {

using testing::HasSubstr;

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return std::distance(begin, std::filesystem::directory_iterator());
}

ino_t InodeOf(int fd) {
  struct stat found = {};
  EXPECT_EQ(::fstat(fd, &found), 0);
  return found.st_ino;
}

class FdPassingTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, GetParam() | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    near_.reset(ends[0]);
    far_.reset(ends[1]);
  }

  UniqueFd near_, far_;
};

INSTANTIATE_TEST_SUITE_P(SocketTypes, FdPassingTest, testing::Values(SOCK_STREAM, SOCK_SEQPACKET));

TEST_P(FdPassingTest, HandsDescriptorsOver) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd read_end(ends[0]), write_end(ends[1]);
  ASSERT_THAT(SendFds(near_.get(), {ends[0], ends[1]}, "a pipe"), IsOk());
  const auto received = ReceiveFds(far_.get());
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->data, "a pipe");
  ASSERT_EQ(received->fds.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    const int fd = received->fds[i].get();
    EXPECT_NE(fd, ends[i]);
    EXPECT_EQ(InodeOf(fd), InodeOf(ends[i]));
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_P(FdPassingTest, AMessageNeedsNoDescriptors) {
  ASSERT_THAT(SendFds(near_.get(), {}, "none"), IsOk());
  const auto received = ReceiveFds(far_.get());
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->data, "none");
  EXPECT_TRUE(received->fds.empty());
}

TEST_P(FdPassingTest, HandsOverAsManyAsTheKernelTakes) {
  const std::vector<int> most(kMaxPassedFds, near_.get());
  const std::string data(kMaxPassedData, 'x');
  ASSERT_THAT(SendFds(near_.get(), most, data), IsOk());
  const auto received = ReceiveFds(far_.get());
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->fds.size(), kMaxPassedFds);
  EXPECT_EQ(received->data, data);
}

TEST_P(FdPassingTest, RefusesToSendWhatCannotBeSent) {
  const std::vector<int> many(kMaxPassedFds + 1, near_.get());
  EXPECT_THAT(SendFds(near_.get(), many, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("254 descriptors")));
  EXPECT_THAT(SendFds(near_.get(), {near_.get()}, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 bytes")));
  EXPECT_THAT(SendFds(near_.get(), {near_.get()}, std::string(kMaxPassedData + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4097 bytes")));
  EXPECT_EQ(ErrnoFromStatus(SendFds(near_.get(), {-1}, "x")), EBADF);
  EXPECT_EQ(ErrnoFromStatus(ReceiveFds(far_.get()).status()), EAGAIN);
}

TEST_P(FdPassingTest, ClosesWhatItDidNotExpect) {
  ASSERT_THAT(SendFds(near_.get(), {near_.get(), near_.get()}, "x"), IsOk());
  const size_t before = OpenDescriptors();
  EXPECT_THAT(ReceiveFds(far_.get(), 1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("expected at most 1")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(FdPassingTest, ClosesAllWhenThereIsNoRoomForSome) {
  const std::vector<int> many(100, near_.get());
  ASSERT_THAT(SendFds(near_.get(), many, "x"), IsOk());
  const size_t before = OpenDescriptors();
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few = {50, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_THAT(ReceiveFds(far_.get()), StatusIs(absl::StatusCode::kResourceExhausted,
                                               HasSubstr("this process has room for")));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(FdPassingTest, TheEndIsNoData) {
  near_.reset();
  const auto received = ReceiveFds(far_.get());
  ASSERT_THAT(received, IsOk());
  EXPECT_EQ(received->data, "");
  EXPECT_EQ(ErrnoFromStatus(SendFds(far_.get(), {far_.get()}, "x")), EPIPE);
}

TEST_P(FdPassingTest, AFullSocketIsUnavailable) {
  absl::Status status;
  while (status.ok()) status = SendFds(near_.get(), {}, std::string(kMaxPassedData, 'x'));
  EXPECT_EQ(ErrnoFromStatus(status), EAGAIN);
}

TEST(FdPassingSeqpacketTest, AMessageThatIsTooLongIsNotCutOff) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd near(ends[0]), far(ends[1]);
  const std::string data(kMaxPassedData + 1, 'x');
  ASSERT_EQ(::send(near.get(), data.data(), data.size(), 0), ssize_t(data.size()));
  EXPECT_THAT(ReceiveFds(far.get()),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("longer than 4096 bytes")));
}

}  // namespace
}  // namespace squall
